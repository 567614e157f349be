// Bit-serial rescaler, contract half_up: one multiplier bit per cycle, MULT_WIDTH + 1 cycles per result.
//
// Loads when idle and `start` is high; q changes one cycle after the last bit, when `finish` is high, while the next
// operand may load. It must be reset before its first operand.
// The multiplier leaves the low end of `partial` as the product's low bits enter from above. MULT_WIDTH >= 2.
// CONSTANTS: see rescaler_output.v; ENABLE and RESET: rescaler_register.v. It needs both.
module rescaler_serial #(
    parameter integer ACC_WIDTH   = 32,
    parameter integer MULT_WIDTH  = 31,
    parameter integer SHIFT_WIDTH = 6,
    parameter integer SHIFT_MIN   = 1,
    parameter integer OUT_WIDTH   = 8,
    parameter integer CONSTANTS   = 0,
    parameter integer ZERO_POINT  = 0,
    parameter integer Q_MIN       = -128,
    parameter integer Q_MAX       = 127,
    parameter integer ENABLE      = 0,
    parameter integer RESET       = 1
) (
    input  wire                        clk,
    input  wire                        reset,
    input  wire                        enable,
    input  wire                        start,
    input  wire signed [ACC_WIDTH-1:0] acc,
    input  wire [MULT_WIDTH-1:0]       mult,
    input  wire [(SHIFT_WIDTH > 0 ? SHIFT_WIDTH : 1)-1:0] shift,
    input  wire signed [OUT_WIDTH-1:0] zero_point,
    input  wire signed [OUT_WIDTH-1:0] q_min,
    input  wire signed [OUT_WIDTH-1:0] q_max,
    output wire                        busy,
    output wire                        finish,
    output wire signed [OUT_WIDTH-1:0] q
);
    generate
        if (ACC_WIDTH < 1) begin : g_acc_width_check
            rescaler_serial_ACC_WIDTH_must_be_at_least_1 invalid ();
        end
        if (MULT_WIDTH < 2) begin : g_mult_width_check
            rescaler_serial_MULT_WIDTH_must_be_at_least_2 invalid ();
        end
        if (SHIFT_WIDTH < 0) begin : g_shift_width_check
            rescaler_serial_SHIFT_WIDTH_must_be_at_least_0 invalid ();
        end
        if (RESET < 1) begin : g_reset_check
            rescaler_serial_RESET_must_be_at_least_1 invalid ();
        end
    endgenerate

    localparam COUNT_WIDTH   = $clog2(MULT_WIDTH + 1);
    localparam PRODUCT_WIDTH = ACC_WIDTH + MULT_WIDTH;
    localparam HELD_WIDTH    = (SHIFT_WIDTH > 0) ? SHIFT_WIDTH : 1;

    wire                           go;
    wire [COUNT_WIDTH-1:0]         count;
    wire signed [ACC_WIDTH-1:0]    operand;
    wire [HELD_WIDTH-1:0]          held_shift;
    wire signed [ACC_WIDTH-1:0]    upper;
    wire [MULT_WIDTH-1:0]          lower;

    wire                           idle    = count == {COUNT_WIDTH{1'b0}};
    wire                           load    = idle & start;
    wire                           last    = count == {{(COUNT_WIDTH-1){1'b0}}, 1'b1};
    wire signed [ACC_WIDTH-1:0]    addend  = lower[0] ? operand : {ACC_WIDTH{1'b0}};
    /* verilator lint_off WIDTHEXPAND */ // the sum of two signed numbers, with its carry
    wire signed [ACC_WIDTH:0]      partial = upper + addend;
    /* verilator lint_on WIDTHEXPAND */

    assign busy = ~idle;

    generate
        if (ENABLE != 0) begin : g_enabled
            assign go = enable;
        end else begin : g_always
            assign go = 1'b1;
        end
    endgenerate

    rescaler_register #(.WIDTH(COUNT_WIDTH), .ENABLE(1), .RESET(RESET)) count_register (
        .clk(clk), .reset(reset), .enable(go & (load | busy)),
        .d(busy ? count - {{(COUNT_WIDTH-1){1'b0}}, 1'b1} : MULT_WIDTH[COUNT_WIDTH-1:0]), .q(count)
    );
    rescaler_register #(.WIDTH(1), .ENABLE(ENABLE), .RESET(RESET)) finish_register (
        .clk(clk), .reset(reset), .enable(enable), .d(last), .q(finish)
    );

    // Data are not reset: nothing reads them before an operand was loaded.
    rescaler_register #(.WIDTH(ACC_WIDTH), .ENABLE(ENABLE), .RESET(0)) operand_register (
        .clk(clk), .reset(reset), .enable(enable), .d(busy ? operand : start ? acc : operand), .q(operand)
    );
    rescaler_register #(.WIDTH(HELD_WIDTH), .ENABLE(ENABLE), .RESET(0)) shift_register (
        .clk(clk), .reset(reset), .enable(enable), .d(busy ? held_shift : start ? shift : held_shift), .q(held_shift)
    );
    rescaler_register #(.WIDTH(ACC_WIDTH), .ENABLE(1), .RESET(0)) upper_register (
        .clk(clk), .reset(reset), .enable(go & (load | busy)),
        .d(busy ? partial[ACC_WIDTH:1] : {ACC_WIDTH{1'b0}}), .q(upper)
    );
    rescaler_register #(.WIDTH(MULT_WIDTH), .ENABLE(1), .RESET(0)) lower_register (
        .clk(clk), .reset(reset), .enable(go & (load | busy)),
        .d(busy ? {partial[0], lower[MULT_WIDTH-1:1]} : mult), .q(lower)
    );

    rescaler_output #(
        .IN_WIDTH(PRODUCT_WIDTH), .SHIFT_WIDTH(SHIFT_WIDTH), .SHIFT_MIN(SHIFT_MIN), .OUT_WIDTH(OUT_WIDTH),
        .CONSTANTS(CONSTANTS), .ZERO_POINT(ZERO_POINT), .Q_MIN(Q_MIN), .Q_MAX(Q_MAX), .ENABLE(1), .RESET(0)
    ) finish_stage (
        .clk(clk), .reset(reset), .enable(go & finish), .value($signed({upper, lower})), .shift(held_shift),
        .zero_point(zero_point), .q_min(q_min), .q_max(q_max), .q(q)
    );
endmodule
