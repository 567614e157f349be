// Folded elementwise ADD of one lane, k = 1: both inputs are shifted left by wiring, and one constant holds the zero
// points and the rounding:
//
//   q = clamp(((scaled_input << SCALED_SHIFT) + (halved_input << HALVED_SHIFT) + C) >> SHIFT)
//   C = (ZERO_POINT << SHIFT) + 2^(SHIFT-1) - (SCALED_ZERO << SCALED_SHIFT) - (HALVED_ZERO << HALVED_SHIFT)
//
// which equals rescaler_add.v at MULT_*_WIDTH = 1 with SHIFT_IN_MIN <= 0. The smaller of the two left shifts is 0: what
// both inputs were shifted by is taken off SHIFT (>= 0; at 0 nothing is rounded). ROUND = 0 leaves out 2^(SHIFT-1).
// SUM_WIDTH must hold the sum, and is at least SHIFT + 2. Needs rescaler_clamp.v. OUT_WIDTH >= 2.
// INPUT_SUM_STAGE and SUM_STAGE, 1 each, put a register behind the sum of the inputs and behind that with the constant.
module rescaler_add_shift #(
    parameter integer IN_WIDTH     = 8,
    parameter integer SCALED_SHIFT = 0,
    parameter integer HALVED_SHIFT = 1,
    parameter integer SHIFT        = 2,
    parameter integer SUM_WIDTH    = 12,
    parameter integer OUT_WIDTH    = 8,
    parameter integer ROUND        = 1,
    parameter integer INPUT_SUM_STAGE = 0,
    parameter integer SUM_STAGE    = 0,
    parameter integer SCALED_ZERO  = 0,
    parameter integer HALVED_ZERO  = 0,
    parameter integer ZERO_POINT   = 0,
    parameter integer Q_MIN        = -128,
    parameter integer Q_MAX        = 127,
    parameter integer ENABLE       = 0,
    parameter integer RESET        = 0
) (
    input  wire                        clk,
    input  wire                        reset,
    input  wire                        enable,
    input  wire signed [IN_WIDTH-1:0]  scaled_input,
    input  wire signed [IN_WIDTH-1:0]  halved_input,
    output wire signed [OUT_WIDTH-1:0] q
);
    generate
        if (IN_WIDTH < 1) begin : g_in_width_check
            rescaler_add_shift_IN_WIDTH_must_be_at_least_1 invalid ();
        end
        if (SCALED_SHIFT < 0) begin : g_scaled_shift_check
            rescaler_add_shift_SCALED_SHIFT_must_be_at_least_0 invalid ();
        end
        if (HALVED_SHIFT < 0) begin : g_halved_shift_check
            rescaler_add_shift_HALVED_SHIFT_must_be_at_least_0 invalid ();
        end
        if (SHIFT < 0) begin : g_shift_check
            rescaler_add_shift_SHIFT_must_be_at_least_0 invalid ();
        end
        if (SUM_WIDTH < SHIFT + 2) begin : g_sum_width_check
            rescaler_add_shift_SUM_WIDTH_must_be_at_least_SHIFT_plus_2 invalid ();
        end
    endgenerate

    /* verilator lint_off WIDTH */ // constants are worked out in more bits than they need
    localparam signed [SUM_WIDTH-1:0] ROUNDING = (ROUND != 0) ? (64'sd1 <<< SHIFT) >>> 1 : 0;
    localparam signed [SUM_WIDTH-1:0] OUTPUT   = ZERO_POINT * (64'sd1 <<< SHIFT);
    localparam signed [SUM_WIDTH-1:0] SCALED   = SCALED_ZERO * (64'sd1 <<< SCALED_SHIFT);
    localparam signed [SUM_WIDTH-1:0] HALVED   = HALVED_ZERO * (64'sd1 <<< HALVED_SHIFT);
    localparam signed [SUM_WIDTH-1:0] OFFSET   = OUTPUT + ROUNDING - SCALED - HALVED;
    /* verilator lint_on WIDTH */

    wire signed [IN_WIDTH+SCALED_SHIFT-1:0] scaled;
    wire signed [IN_WIDTH+HALVED_SHIFT-1:0] halved;
    wire signed [OUT_WIDTH-1:0]             clamped;

    generate
        if (SCALED_SHIFT > 0) begin : g_scaled_left
            assign scaled = $signed({scaled_input, {SCALED_SHIFT{1'b0}}});
        end else begin : g_scaled
            assign scaled = scaled_input;
        end

        if (HALVED_SHIFT > 0) begin : g_halved_left
            assign halved = $signed({halved_input, {HALVED_SHIFT{1'b0}}});
        end else begin : g_halved
            assign halved = halved_input;
        end
    endgenerate

    /* verilator lint_off WIDTHEXPAND */ // signed operands of unlike widths: sign extension is what is meant
    localparam BOTH_WIDTH = IN_WIDTH + (SCALED_SHIFT > HALVED_SHIFT ? SCALED_SHIFT : HALVED_SHIFT) + 1;
    wire signed [BOTH_WIDTH-1:0] both = scaled + halved;
    wire signed [BOTH_WIDTH-1:0] staged;
    rescaler_delay #(.WIDTH(BOTH_WIDTH), .STAGES(INPUT_SUM_STAGE), .ENABLE(ENABLE), .RESET(RESET)) delay_inputs (
        .clk(clk), .reset(reset), .enable(enable), .value(both), .delayed(staged)
    );
    /* verilator lint_off UNUSEDSIGNAL */ // the bits below the shift are dropped on purpose
    wire signed [SUM_WIDTH-1:0] sum = staged + OFFSET;
    /* verilator lint_on UNUSEDSIGNAL */
    /* verilator lint_on WIDTHEXPAND */

    wire signed [SUM_WIDTH-SHIFT-1:0] result;
    rescaler_delay #(.WIDTH(SUM_WIDTH - SHIFT), .STAGES(SUM_STAGE), .ENABLE(ENABLE), .RESET(RESET)) delay_sum (
        .clk(clk), .reset(reset), .enable(enable), .value(sum[SUM_WIDTH-1:SHIFT]), .delayed(result)
    );

    rescaler_clamp #(
        .IN_WIDTH(SUM_WIDTH - SHIFT), .OUT_WIDTH(OUT_WIDTH), .CONSTANTS(1), .Q_MIN(Q_MIN), .Q_MAX(Q_MAX)
    ) clamp (
        .value(result), .q_min({OUT_WIDTH{1'b0}}), .q_max({OUT_WIDTH{1'b0}}), .clamped(clamped)
    );

    rescaler_register #(.WIDTH(OUT_WIDTH), .ENABLE(ENABLE), .RESET(RESET)) output_register (
        .clk(clk), .reset(reset), .enable(enable), .d(clamped), .q(q)
    );
endmodule
