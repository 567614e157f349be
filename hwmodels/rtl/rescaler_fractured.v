// Fractured rescaler, contract half_up: four ACC_WIDTH x 8 multipliers that work as one lane of 32 multiplier bits,
// two of 16 or four of 8 (NE16 has such modes).
//
//   mode 2: q0 from acc0 and mult[31:0]
//   mode 1: q0 from acc0 and mult[15:0],  q2 from acc2 and mult[31:16]
//   mode 0: q0..q3 from acc0..acc3 and mult[7:0] .. mult[31:24]
//
// Each lane has its own shift. Outputs of idle lanes carry no meaning. A narrower multiplier is left-aligned in its
// 8, 16 or 32 bits or padded with zeros above. CONSTANTS: see rescaler_output.v, which this needs.
module rescaler_fractured #(
    parameter integer ACC_WIDTH   = 32,
    parameter integer SHIFT_WIDTH = 6,
    parameter integer SHIFT_MIN   = 1,
    parameter integer OUT_WIDTH   = 8,
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
    input  wire [1:0]                  mode,
    input  wire signed [ACC_WIDTH-1:0] acc0,
    input  wire signed [ACC_WIDTH-1:0] acc1,
    input  wire signed [ACC_WIDTH-1:0] acc2,
    input  wire signed [ACC_WIDTH-1:0] acc3,
    input  wire [31:0]                 mult,
    input  wire [SHIFT_WIDTH-1:0]      shift0,
    input  wire [SHIFT_WIDTH-1:0]      shift1,
    input  wire [SHIFT_WIDTH-1:0]      shift2,
    input  wire [SHIFT_WIDTH-1:0]      shift3,
    input  wire signed [OUT_WIDTH-1:0] zero_point,
    input  wire signed [OUT_WIDTH-1:0] q_min,
    input  wire signed [OUT_WIDTH-1:0] q_max,
    output wire signed [OUT_WIDTH-1:0] q0,
    output wire signed [OUT_WIDTH-1:0] q1,
    output wire signed [OUT_WIDTH-1:0] q2,
    output wire signed [OUT_WIDTH-1:0] q3
);
    generate
        if (ACC_WIDTH < 1) begin : g_acc_width_check
            rescaler_fractured_ACC_WIDTH_must_be_at_least_1 invalid ();
        end
        if (SHIFT_WIDTH < 1) begin : g_shift_width_check
            rescaler_fractured_SHIFT_WIDTH_must_be_at_least_1 invalid ();
        end
    endgenerate

    localparam NARROW = ACC_WIDTH + 8;
    localparam MIDDLE = ACC_WIDTH + 16;
    localparam WIDE   = ACC_WIDTH + 32;

    wire quarter = mode == 2'd0;
    wire whole   = mode == 2'd2;
    wire go;

    generate
        if (ENABLE != 0) begin : g_enabled
            assign go = enable;
        end else begin : g_always
            assign go = 1'b1;
        end
    endgenerate

    // Which operand each multiplier sees.
    wire signed [ACC_WIDTH-1:0] operand1 = quarter ? acc1 : acc0;
    wire signed [ACC_WIDTH-1:0] operand2 = whole ? acc0 : acc2;
    wire signed [ACC_WIDTH-1:0] operand3 = quarter ? acc3 : operand2;
    wire signed [8:0] byte0 = {1'b0, mult[7:0]};
    wire signed [8:0] byte1 = {1'b0, mult[15:8]};
    wire signed [8:0] byte2 = {1'b0, mult[23:16]};
    wire signed [8:0] byte3 = {1'b0, mult[31:24]};

    /* verilator lint_off WIDTHEXPAND */ // signed operands of unlike widths: sign extension is what is meant
    wire signed [NARROW-1:0] product0 = acc0 * byte0;
    wire signed [NARROW-1:0] product1 = operand1 * byte1;
    wire signed [NARROW-1:0] product2 = operand2 * byte2;
    wire signed [NARROW-1:0] product3 = operand3 * byte3;

    wire signed [NARROW+7:0] above1 = {product1, 8'b0};
    wire signed [NARROW+7:0] above3 = {product3, 8'b0};
    wire signed [MIDDLE-1:0] pair0  = product0 + above1;
    wire signed [MIDDLE-1:0] pair2  = product2 + above3;
    wire signed [MIDDLE+15:0] above2 = {pair2, 16'b0};
    wire signed [WIDE-1:0]   four   = pair0 + above2;

    wire signed [WIDE-1:0]   value0 = whole ? four : quarter ? product0 : pair0;
    wire signed [MIDDLE-1:0] value2 = quarter ? product2 : pair2;
    /* verilator lint_on WIDTHEXPAND */

    rescaler_output #(
        .IN_WIDTH(WIDE), .SHIFT_WIDTH(SHIFT_WIDTH), .SHIFT_MIN(SHIFT_MIN), .OUT_WIDTH(OUT_WIDTH),
        .CONSTANTS(CONSTANTS), .ZERO_POINT(ZERO_POINT), .Q_MIN(Q_MIN), .Q_MAX(Q_MAX),
        .ENABLE(ENABLE), .RESET(RESET)
    ) lane0 (
        .clk(clk), .reset(reset), .enable(enable), .value(value0), .shift(shift0), .zero_point(zero_point),
        .q_min(q_min), .q_max(q_max), .q(q0)
    );
    rescaler_output #(
        .IN_WIDTH(NARROW), .SHIFT_WIDTH(SHIFT_WIDTH), .SHIFT_MIN(SHIFT_MIN), .OUT_WIDTH(OUT_WIDTH),
        .CONSTANTS(CONSTANTS), .ZERO_POINT(ZERO_POINT), .Q_MIN(Q_MIN), .Q_MAX(Q_MAX),
        .ENABLE(1), .RESET(RESET)
    ) lane1 (
        .clk(clk), .reset(reset), .enable(quarter & go), .value(product1), .shift(shift1), .zero_point(zero_point),
        .q_min(q_min), .q_max(q_max), .q(q1)
    );
    rescaler_output #(
        .IN_WIDTH(MIDDLE), .SHIFT_WIDTH(SHIFT_WIDTH), .SHIFT_MIN(SHIFT_MIN), .OUT_WIDTH(OUT_WIDTH),
        .CONSTANTS(CONSTANTS), .ZERO_POINT(ZERO_POINT), .Q_MIN(Q_MIN), .Q_MAX(Q_MAX),
        .ENABLE(1), .RESET(RESET)
    ) lane2 (
        .clk(clk), .reset(reset), .enable(~whole & go), .value(value2), .shift(shift2), .zero_point(zero_point),
        .q_min(q_min), .q_max(q_max), .q(q2)
    );
    rescaler_output #(
        .IN_WIDTH(NARROW), .SHIFT_WIDTH(SHIFT_WIDTH), .SHIFT_MIN(SHIFT_MIN), .OUT_WIDTH(OUT_WIDTH),
        .CONSTANTS(CONSTANTS), .ZERO_POINT(ZERO_POINT), .Q_MIN(Q_MIN), .Q_MAX(Q_MAX),
        .ENABLE(1), .RESET(RESET)
    ) lane3 (
        .clk(clk), .reset(reset), .enable(quarter & go), .value(product3), .shift(shift3), .zero_point(zero_point),
        .q_min(q_min), .q_max(q_max), .q(q3)
    );
endmodule
