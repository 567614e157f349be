// What follows the product in a rescaler: shift, round, zero point, saturation, clamp, output register.
//
//   ROUND = 1:  q = clamp(zero_point + ((value + 2^(r-1)) >> r)),   r = SHIFT_MIN + shift   (r <= 0: value << -r)
//   ROUND = 0:  q = clamp(zero_point + (value >> r))
//
// The other architectures share it; rescaler.v is the same logic in one file. CONSTANTS = 1 takes ZERO_POINT, Q_MIN and
// Q_MAX instead of their ports; a zero point of 0 then takes no adder. Needs rescaler_clamp.v. OUT_WIDTH >= 2.
// SHIFT_STAGE and SUM_STAGE, 1 each, put a register behind the shifter and behind the adder: see rescaler.v.
module rescaler_output #(
    parameter integer IN_WIDTH    = 63,
    parameter integer SHIFT_WIDTH = 6,
    parameter integer SHIFT_MIN   = 1,
    parameter integer OUT_WIDTH   = 8,
    parameter integer ROUND       = 1,
    parameter integer SHIFT_STAGE = 0,
    parameter integer SUM_STAGE   = 0,
    parameter integer CONSTANTS   = 0,
    parameter integer ZERO_POINT  = 0,
    parameter integer Q_MIN       = -128,
    parameter integer Q_MAX       = 127,
    parameter integer ENABLE      = 0,
    parameter integer RESET       = 0
) (
    input  wire                        clk,
    input  wire                        reset,
    input  wire                        enable,
    /* verilator lint_off UNUSEDSIGNAL */ // bits below the smallest shift are dropped, and constants read no port
    input  wire signed [IN_WIDTH-1:0]  value,
    input  wire [(SHIFT_WIDTH > 0 ? SHIFT_WIDTH : 1)-1:0] shift,
    input  wire signed [OUT_WIDTH-1:0] zero_point,
    /* verilator lint_on UNUSEDSIGNAL */
    input  wire signed [OUT_WIDTH-1:0] q_min,
    input  wire signed [OUT_WIDTH-1:0] q_max,
    output wire signed [OUT_WIDTH-1:0] q
);
    // With rounding, one fractional bit survives the shift: the adder turns it into the rounding.
    localparam FRACTION   = (ROUND != 0) ? 1 : 0;
    localparam LEFT       = (SHIFT_MIN < FRACTION) ? FRACTION - SHIFT_MIN : 0;
    localparam DROP       = SHIFT_MIN + LEFT - FRACTION;
    localparam KEPT_WIDTH = (IN_WIDTH + LEFT - DROP > 2) ? IN_WIDTH + LEFT - DROP : 2;
    localparam SUM_WIDTH  = ((KEPT_WIDTH > OUT_WIDTH + FRACTION) ? KEPT_WIDTH : OUT_WIDTH + FRACTION) + 1;
    localparam FULL_WIDTH = SUM_WIDTH - FRACTION;

    wire signed [KEPT_WIDTH-1:0]         kept;
    wire signed [KEPT_WIDTH-1:0]         shifted;
    wire signed [KEPT_WIDTH-1:0]         addend;
    wire signed [FULL_WIDTH-1:0]         full;
    wire signed [OUT_WIDTH-1:0]          clamped;
    /* verilator lint_off UNUSEDSIGNAL */ // the lowest bit of the sum has done its work once it has carried
    wire signed [SUM_WIDTH-1:0]          sum;
    /* verilator lint_on UNUSEDSIGNAL */

    /* verilator lint_off WIDTHEXPAND */ // signed operands of unlike widths: sign extension is what is meant
    generate
        if (LEFT > 0) begin : g_left
            assign kept = $signed({value, {LEFT{1'b0}}});
        end else if (IN_WIDTH - DROP >= 2) begin : g_drop
            assign kept = $signed(value[IN_WIDTH-1:DROP]);
        end else begin : g_sign_only
            assign kept = {2{value[IN_WIDTH-1]}};
        end

        if (SHIFT_WIDTH == 0) begin : g_constant_shift
            assign shifted = kept;
        end else begin : g_barrel_shift
            assign shifted = kept >>> shift;
        end

        if (SHIFT_STAGE != 0) begin : g_shift_stage
            rescaler_register #(.WIDTH(KEPT_WIDTH), .ENABLE(ENABLE), .RESET(RESET)) shift_register (
                .clk(clk), .reset(reset), .enable(enable), .d(shifted), .q(addend)
            );
        end else begin : g_no_shift_stage
            assign addend = shifted;
        end

        if (CONSTANTS == 0 && ROUND != 0) begin : g_round
            wire signed [OUT_WIDTH:0] offset = {zero_point, 1'b1};
            assign sum = addend + offset;
        end else if (CONSTANTS == 0) begin : g_floor
            assign sum = addend + zero_point;
        end else if (ROUND != 0) begin : g_constant_round
            localparam signed [OUT_WIDTH:0] OFFSET = $signed({ZERO_POINT[OUT_WIDTH-1:0], 1'b1});
            assign sum = addend + OFFSET;
        end else if (ZERO_POINT != 0) begin : g_constant_floor
            localparam signed [OUT_WIDTH-1:0] OFFSET = $signed(ZERO_POINT[OUT_WIDTH-1:0]);
            assign sum = addend + OFFSET;
        end else begin : g_no_offset
            assign sum = addend;
        end

        if (SUM_STAGE != 0) begin : g_sum_stage
            rescaler_register #(.WIDTH(FULL_WIDTH), .ENABLE(ENABLE), .RESET(RESET)) sum_register (
                .clk(clk), .reset(reset), .enable(enable), .d(sum[SUM_WIDTH-1:FRACTION]), .q(full)
            );
        end else begin : g_no_sum_stage
            assign full = $signed(sum[SUM_WIDTH-1:FRACTION]);
        end
    endgenerate
    /* verilator lint_on WIDTHEXPAND */

    rescaler_clamp #(
        .IN_WIDTH(FULL_WIDTH), .OUT_WIDTH(OUT_WIDTH), .CONSTANTS(CONSTANTS), .Q_MIN(Q_MIN), .Q_MAX(Q_MAX)
    ) clamp (.value(full), .q_min(q_min), .q_max(q_max), .clamped(clamped));

    rescaler_register #(.WIDTH(OUT_WIDTH), .ENABLE(ENABLE), .RESET(RESET)) output_register (
        .clk(clk), .reset(reset), .enable(enable), .d(clamped), .q(q)
    );
endmodule
