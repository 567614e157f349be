// Saturation and clamp of a rescaled value to OUT_WIDTH bits; combinational. IN_WIDTH and OUT_WIDTH >= 2.
//
//   CONSTANTS = 0: clamped to the ports q_min .. q_max
//   CONSTANTS = 1: clamped to Q_MIN .. Q_MAX; a bound that is an end of the type takes the saturation alone
module rescaler_clamp #(
    parameter integer IN_WIDTH  = 12,
    parameter integer OUT_WIDTH = 8,
    parameter integer CONSTANTS = 0,
    parameter integer Q_MIN     = -128,
    parameter integer Q_MAX     = 127
) (
    input  wire signed [IN_WIDTH-1:0]  value,
    /* verilator lint_off UNUSEDSIGNAL */ // constant bounds are not read
    input  wire signed [OUT_WIDTH-1:0] q_min,
    input  wire signed [OUT_WIDTH-1:0] q_max,
    /* verilator lint_on UNUSEDSIGNAL */
    output wire signed [OUT_WIDTH-1:0] clamped
);
    generate
        if (IN_WIDTH < 2) begin : g_in_width_check
            rescaler_clamp_IN_WIDTH_must_be_at_least_2 invalid ();
        end
        if (OUT_WIDTH < 2) begin : g_out_width_check
            rescaler_clamp_OUT_WIDTH_must_be_at_least_2 invalid ();
        end
    endgenerate

    wire signed [OUT_WIDTH-1:0] saturated;
    wire signed [OUT_WIDTH-1:0] floored;

    // Saturate first: it needs the upper bits only, and leaves narrow comparisons for the activation's range.
    generate
        if (IN_WIDTH > OUT_WIDTH) begin : g_saturate
            wire negative = value[IN_WIDTH-1];
            wire too_high = ~negative & (|value[IN_WIDTH-2:OUT_WIDTH-1]);
            wire too_low  = negative & ~(&value[IN_WIDTH-2:OUT_WIDTH-1]);
            assign saturated = too_high ? $signed({1'b0, {(OUT_WIDTH-1){1'b1}}})
                             : too_low  ? $signed({1'b1, {(OUT_WIDTH-1){1'b0}}})
                             : $signed(value[OUT_WIDTH-1:0]);
        end else if (IN_WIDTH == OUT_WIDTH) begin : g_fits
            assign saturated = value;
        end else begin : g_extend
            assign saturated = $signed({{(OUT_WIDTH-IN_WIDTH){value[IN_WIDTH-1]}}, value});
        end

        if (CONSTANTS == 0) begin : g_port_bounds
            assign floored = (saturated < q_min) ? q_min : saturated;
            assign clamped = (floored > q_max) ? q_max : floored;
        end else begin : g_constant_bounds
            localparam signed [OUT_WIDTH-1:0] LOW  = $signed(Q_MIN[OUT_WIDTH-1:0]);
            localparam signed [OUT_WIDTH-1:0] HIGH = $signed(Q_MAX[OUT_WIDTH-1:0]);
            if (Q_MIN == -(1 << (OUT_WIDTH - 1))) begin : g_lowest
                assign floored = saturated;
            end else begin : g_low
                assign floored = (saturated < LOW) ? LOW : saturated;
            end
            if (Q_MAX == (1 << (OUT_WIDTH - 1)) - 1) begin : g_highest
                assign clamped = floored;
            end else begin : g_high
                assign clamped = (floored > HIGH) ? HIGH : floored;
            end
        end
    endgenerate
endmodule
