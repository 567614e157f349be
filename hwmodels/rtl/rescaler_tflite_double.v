// Rescaler of one lane, contract tflite_double: gemmlowp's SaturatingRoundingDoublingHighMul, then RoundingDivideByPOT.
//   h = (acc * mult + 2^(k-1)) >> k               the high multiply, k = MULT_WIDTH; ties go up, whatever the sign
//   q = clamp(zero_point + half_away(h / 2^e))    e = EXPONENT_MIN + exponent >= 0, that is r = k + e
// Real scales of 1 and more (a negative e) are not served. With one zero below h, e = 0 needs no case of its own.
// CONSTANTS: see rescaler_output.v, stages: rescaler.v, which this needs.
module rescaler_tflite_double #(
    parameter integer ACC_WIDTH      = 32,
    parameter integer MULT_WIDTH     = 31,
    parameter integer EXPONENT_WIDTH = 4,
    parameter integer EXPONENT_MIN   = 0,
    parameter integer OUT_WIDTH      = 8,
    parameter integer PRODUCT_STAGES = 0,
    parameter integer SHIFT_STAGE    = 0,
    parameter integer SUM_STAGE      = 0,
    parameter integer CONSTANTS      = 0,
    parameter integer ZERO_POINT     = 0,
    parameter integer Q_MIN          = -128,
    parameter integer Q_MAX          = 127,
    parameter integer ENABLE         = 0,
    parameter integer RESET          = 0
) (
    input  wire                        clk,
    input  wire                        reset,
    input  wire                        enable,
    input  wire signed [ACC_WIDTH-1:0] acc,
    input  wire [MULT_WIDTH-1:0]       mult,
    input  wire [(EXPONENT_WIDTH > 0 ? EXPONENT_WIDTH : 1)-1:0] exponent,
    input  wire signed [OUT_WIDTH-1:0] zero_point,
    input  wire signed [OUT_WIDTH-1:0] q_min,
    input  wire signed [OUT_WIDTH-1:0] q_max,
    output wire signed [OUT_WIDTH-1:0] q
);
    generate
        if (ACC_WIDTH < 1) begin : g_acc_width_check
            rescaler_tflite_double_ACC_WIDTH_must_be_at_least_1 invalid ();
        end
        if (MULT_WIDTH < 2) begin : g_mult_width_check
            rescaler_tflite_double_MULT_WIDTH_must_be_at_least_2 invalid ();
        end
        if (EXPONENT_WIDTH < 0) begin : g_exponent_width_check
            rescaler_tflite_double_EXPONENT_WIDTH_must_be_at_least_0 invalid ();
        end
    endgenerate

    localparam PRODUCT_WIDTH = ACC_WIDTH + MULT_WIDTH;
    localparam HIGH_WIDTH    = ACC_WIDTH + 1;

    /* verilator lint_off WIDTHEXPAND */ // signed operands of unlike widths: sign extension is what is meant
    /* verilator lint_off UNUSEDSIGNAL */ // the first rounding drops the low bits on purpose
    wire signed [PRODUCT_WIDTH-1:0] product;
    generate
        if (PRODUCT_STAGES > 0) begin : g_staged_product
            rescaler_product #(
                .IN_WIDTH(ACC_WIDTH), .MULT_WIDTH(MULT_WIDTH), .STAGES(PRODUCT_STAGES), .ENABLE(ENABLE), .RESET(RESET)
            ) multiply (.clk(clk), .reset(reset), .enable(enable), .value(acc), .mult(mult), .product(product));
        end else begin : g_multiply
            wire signed [MULT_WIDTH:0] multiplier = {1'b0, mult};
            assign product = acc * multiplier;
        end
    endgenerate
    wire signed [HIGH_WIDTH-1:0]    upper   = product[PRODUCT_WIDTH-1:MULT_WIDTH-1];
    wire signed [HIGH_WIDTH:0]      rounded = upper + 2'sb01;
    /* verilator lint_on UNUSEDSIGNAL */
    /* verilator lint_on WIDTHEXPAND */
    wire signed [HIGH_WIDTH-1:0]    high    = $signed(rounded[HIGH_WIDTH:1]);
    wire signed [HIGH_WIDTH:0]      doubled = $signed({high, 1'b0});
    wire signed [HIGH_WIDTH:0]      adjusted = doubled - $signed({{HIGH_WIDTH{1'b0}}, high[HIGH_WIDTH-1]});

    localparam AMOUNT_WIDTH = (EXPONENT_WIDTH > 0) ? EXPONENT_WIDTH : 1;
    wire [AMOUNT_WIDTH-1:0] amount;
    rescaler_delay #(.WIDTH(AMOUNT_WIDTH), .STAGES(EXPONENT_WIDTH > 0 ? PRODUCT_STAGES : 0), .ENABLE(ENABLE), .RESET(RESET)) delay_exponent (
        .clk(clk), .reset(reset), .enable(enable), .value(exponent), .delayed(amount)
    );

    rescaler_output #(
        .IN_WIDTH(HIGH_WIDTH + 1), .SHIFT_WIDTH(EXPONENT_WIDTH), .SHIFT_MIN(EXPONENT_MIN + 1), .OUT_WIDTH(OUT_WIDTH),
        .CONSTANTS(CONSTANTS), .ZERO_POINT(ZERO_POINT), .Q_MIN(Q_MIN), .Q_MAX(Q_MAX),
        .SHIFT_STAGE(SHIFT_STAGE), .SUM_STAGE(SUM_STAGE), .ENABLE(ENABLE), .RESET(RESET)
    ) finish (
        .clk(clk), .reset(reset), .enable(enable), .value(adjusted), .shift(amount), .zero_point(zero_point),
        .q_min(q_min), .q_max(q_max), .q(q)
    );
endmodule
