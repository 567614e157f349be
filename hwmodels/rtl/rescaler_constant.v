// Rescaler of one channel in streaming style, contract half_up: multiplier and shift are constants.
//
//   q = clamp(zero_point + ((acc * MULTIPLIER + 2^(SHIFT-1)) >> SHIFT), q_min, q_max)
//
// The product is a sum of shifted operands (constant_product.v). MULTIPLIER < 2^31. CONSTANTS: see rescaler_output.v,
// which this needs.
// PRODUCT_STAGE and SUM_STAGE, 1 each, put a register behind the product and behind the adder of rounding and zero
// point: see rescaler.v.
module rescaler_constant #(
    parameter integer ACC_WIDTH  = 32,
    parameter integer MULTIPLIER = 1,
    parameter integer SHIFT      = 8,
    parameter integer OUT_WIDTH  = 8,
    parameter integer PRODUCT_STAGE = 0,
    parameter integer SUM_STAGE  = 0,
    parameter integer CONSTANTS  = 0,
    parameter integer ZERO_POINT = 0,
    parameter integer Q_MIN      = -128,
    parameter integer Q_MAX      = 127,
    parameter integer ENABLE     = 0,
    parameter integer RESET      = 0
) (
    input  wire                        clk,
    input  wire                        reset,
    input  wire                        enable,
    input  wire signed [ACC_WIDTH-1:0] acc,
    input  wire signed [OUT_WIDTH-1:0] zero_point,
    input  wire signed [OUT_WIDTH-1:0] q_min,
    input  wire signed [OUT_WIDTH-1:0] q_max,
    output wire signed [OUT_WIDTH-1:0] q
);
    generate
        if (ACC_WIDTH < 1) begin : g_acc_width_check
            rescaler_constant_ACC_WIDTH_must_be_at_least_1 invalid ();
        end
        if (MULTIPLIER < 1) begin : g_multiplier_check
            rescaler_constant_MULTIPLIER_must_be_at_least_1 invalid ();
        end
    endgenerate

    localparam PRODUCT_WIDTH = ACC_WIDTH + $clog2(MULTIPLIER / 2 + 1) + 2;
    wire signed [PRODUCT_WIDTH-1:0] product;

    constant_product #(.IN_WIDTH(ACC_WIDTH), .MULTIPLIER(MULTIPLIER)) multiply (.value(acc), .product(product));

    wire signed [PRODUCT_WIDTH-1:0] staged;
    rescaler_delay #(.WIDTH(PRODUCT_WIDTH), .STAGES(PRODUCT_STAGE), .ENABLE(ENABLE), .RESET(RESET)) delay_product (
        .clk(clk), .reset(reset), .enable(enable), .value(product), .delayed(staged)
    );

    rescaler_output #(
        .IN_WIDTH(PRODUCT_WIDTH), .SHIFT_WIDTH(0), .SHIFT_MIN(SHIFT), .OUT_WIDTH(OUT_WIDTH),
        .CONSTANTS(CONSTANTS), .ZERO_POINT(ZERO_POINT), .Q_MIN(Q_MIN), .Q_MAX(Q_MAX),
        .SUM_STAGE(SUM_STAGE), .ENABLE(ENABLE), .RESET(RESET)
    ) finish (
        .clk(clk), .reset(reset), .enable(enable), .value(staged), .shift(1'b0), .zero_point(zero_point),
        .q_min(q_min), .q_max(q_max), .q(q)
    );
endmodule
