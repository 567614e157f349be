// Rescaler of one lane, contract floor (NE16 / PULP style):
//   q = clamp(zero_point + ((acc * mult) >> r), q_min, q_max),   r = SHIFT_MIN + shift   (r < 0: a left shift)
// MULT_WIDTH = 1 is a pure shift. CONSTANTS: see rescaler_output.v, stages: rescaler.v, which this needs.
module rescaler_floor #(
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
            rescaler_floor_ACC_WIDTH_must_be_at_least_1 invalid ();
        end
        if (MULT_WIDTH < 1) begin : g_mult_width_check
            rescaler_floor_MULT_WIDTH_must_be_at_least_1 invalid ();
        end
        if (SHIFT_WIDTH < 0) begin : g_shift_width_check
            rescaler_floor_SHIFT_WIDTH_must_be_at_least_0 invalid ();
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

    localparam AMOUNT_WIDTH = (SHIFT_WIDTH > 0) ? SHIFT_WIDTH : 1;
    wire [AMOUNT_WIDTH-1:0] amount;
    rescaler_delay #(.WIDTH(AMOUNT_WIDTH), .STAGES(SHIFT_WIDTH > 0 ? PRODUCT_STAGES : 0), .ENABLE(ENABLE), .RESET(RESET)) delay_shift (
        .clk(clk), .reset(reset), .enable(enable), .value(shift), .delayed(amount)
    );

    rescaler_output #(
        .IN_WIDTH(PRODUCT_WIDTH), .SHIFT_WIDTH(SHIFT_WIDTH), .SHIFT_MIN(SHIFT_MIN), .OUT_WIDTH(OUT_WIDTH), .ROUND(0),
        .CONSTANTS(CONSTANTS), .ZERO_POINT(ZERO_POINT), .Q_MIN(Q_MIN), .Q_MAX(Q_MAX),
        .SHIFT_STAGE(SHIFT_STAGE), .SUM_STAGE(SUM_STAGE), .ENABLE(ENABLE), .RESET(RESET)
    ) finish (
        .clk(clk), .reset(reset), .enable(enable), .value(product), .shift(amount), .zero_point(zero_point),
        .q_min(q_min), .q_max(q_max), .q(q)
    );
endmodule
