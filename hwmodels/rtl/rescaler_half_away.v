// Rescaler of one lane, contract half_away (NVDLA style): ties are rounded away from zero.
//   q = clamp(zero_point + sign(p) * ((|p| + 2^(r-1)) >> r), q_min, q_max),   p = acc * mult, r = SHIFT_MIN + shift
// No absolute value is needed: for p < 0 the result is (p - 1 + 2^(r-1)) >> r.
// MULT_WIDTH = 1 is a pure shift. CONSTANTS: see rescaler_output.v, stages: rescaler.v, which this needs.
module rescaler_half_away #(
    parameter integer ACC_WIDTH   = 32,
    parameter integer MULT_WIDTH  = 31,
    parameter integer SHIFT_WIDTH = 6,
    parameter integer SHIFT_MIN   = 1,
    parameter integer OUT_WIDTH   = 8,
    parameter integer PRODUCT_STAGES = 0,
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
    input  wire signed [ACC_WIDTH-1:0] acc,
    /* verilator lint_off UNUSEDSIGNAL */ // a pure shift reads no multiplier
    input  wire [MULT_WIDTH-1:0]       mult,
    /* verilator lint_on UNUSEDSIGNAL */
    input  wire [(SHIFT_WIDTH > 0 ? SHIFT_WIDTH : 1)-1:0] shift,
    input  wire signed [OUT_WIDTH-1:0] zero_point,
    input  wire signed [OUT_WIDTH-1:0] q_min,
    input  wire signed [OUT_WIDTH-1:0] q_max,
    output wire signed [OUT_WIDTH-1:0] q
);
    generate
        if (ACC_WIDTH < 1) begin : g_acc_width_check
            rescaler_half_away_ACC_WIDTH_must_be_at_least_1 invalid ();
        end
        if (MULT_WIDTH < 1) begin : g_mult_width_check
            rescaler_half_away_MULT_WIDTH_must_be_at_least_1 invalid ();
        end
        if (SHIFT_WIDTH < 0) begin : g_shift_width_check
            rescaler_half_away_SHIFT_WIDTH_must_be_at_least_0 invalid ();
        end
    endgenerate

    localparam PRODUCT_WIDTH = (MULT_WIDTH == 1) ? ACC_WIDTH : ACC_WIDTH + MULT_WIDTH;
    wire signed [PRODUCT_WIDTH-1:0] product;

    /* verilator lint_off WIDTHEXPAND */ // signed operands of unlike widths: sign extension is what is meant
    generate
        if (MULT_WIDTH == 1) begin : g_pure_shift
            assign product = acc;
        end else if (PRODUCT_STAGES > 0) begin : g_staged_product
            rescaler_product #(
                .IN_WIDTH(ACC_WIDTH), .MULT_WIDTH(MULT_WIDTH), .STAGES(PRODUCT_STAGES), .ENABLE(ENABLE), .RESET(RESET)
            ) multiply (.clk(clk), .reset(reset), .enable(enable), .value(acc), .mult(mult), .product(product));
        end else begin : g_multiply
            wire signed [MULT_WIDTH:0] multiplier = {1'b0, mult};
            assign product = acc * multiplier;
        end
    endgenerate
    /* verilator lint_on WIDTHEXPAND */

    // Zeros below the product make every shift a right shift by at least 1.
    localparam LEFT           = (SHIFT_MIN < 1) ? 1 - SHIFT_MIN : 0;
    localparam ADJUSTED_WIDTH = PRODUCT_WIDTH + LEFT;
    wire signed [ADJUSTED_WIDTH-1:0] aligned;
    wire                             negative = product[PRODUCT_WIDTH-1];

    generate
        if (LEFT > 0) begin : g_left
            assign aligned = $signed({product, {LEFT{1'b0}}});
        end else begin : g_aligned
            assign aligned = product;
        end
    endgenerate

    // One more bit: taking 1 from the most negative number must not wrap.
    wire signed [ADJUSTED_WIDTH:0] adjusted = {aligned[ADJUSTED_WIDTH-1], aligned} - {{ADJUSTED_WIDTH{1'b0}}, negative};

    localparam AMOUNT_WIDTH = (SHIFT_WIDTH > 0) ? SHIFT_WIDTH : 1;
    wire [AMOUNT_WIDTH-1:0] amount;
    rescaler_delay #(.WIDTH(AMOUNT_WIDTH), .STAGES(SHIFT_WIDTH > 0 ? PRODUCT_STAGES : 0), .ENABLE(ENABLE), .RESET(RESET)) delay_shift (
        .clk(clk), .reset(reset), .enable(enable), .value(shift), .delayed(amount)
    );

    rescaler_output #(
        .IN_WIDTH(ADJUSTED_WIDTH + 1), .SHIFT_WIDTH(SHIFT_WIDTH), .SHIFT_MIN(SHIFT_MIN + LEFT), .OUT_WIDTH(OUT_WIDTH),
        .CONSTANTS(CONSTANTS), .ZERO_POINT(ZERO_POINT), .Q_MIN(Q_MIN), .Q_MAX(Q_MAX),
        .SHIFT_STAGE(SHIFT_STAGE), .SUM_STAGE(SUM_STAGE), .ENABLE(ENABLE), .RESET(RESET)
    ) finish (
        .clk(clk), .reset(reset), .enable(enable), .value(adjusted), .shift(amount), .zero_point(zero_point),
        .q_min(q_min), .q_max(q_max), .q(q)
    );
endmodule
