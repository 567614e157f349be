// Bit-serial rescaler, contract half_up: one multiplier bit per cycle, MULT_WIDTH + 1 cycles per result.
//
// Loads when idle and `start` is high; q changes one cycle after the last bit, while the next operand may load.
// The multiplier leaves the low end of `partial` as the product's low bits enter from above. MULT_WIDTH >= 2.
// CONSTANTS: see rescaler_output.v, which this needs. SHIFT_STAGE and SUM_STAGE (rescaler.v) delay q by a cycle each.
module rescaler_serial #(
    parameter ACC_WIDTH   = 32,
    parameter MULT_WIDTH  = 31,
    parameter SHIFT_WIDTH = 6,
    parameter SHIFT_MIN   = 1,
    parameter OUT_WIDTH   = 8,
    parameter SHIFT_STAGE = 0,
    parameter SUM_STAGE   = 0,
    parameter CONSTANTS   = 0,
    parameter ZERO_POINT  = 0,
    parameter Q_MIN       = -128,
    parameter Q_MAX       = 127
) (
    input  wire                        clk,
    input  wire                        reset,
    input  wire                        start,
    input  wire signed [ACC_WIDTH-1:0] acc,
    input  wire [MULT_WIDTH-1:0]       mult,
    input  wire [(SHIFT_WIDTH > 0 ? SHIFT_WIDTH : 1)-1:0] shift,
    input  wire signed [OUT_WIDTH-1:0] zero_point,
    input  wire signed [OUT_WIDTH-1:0] q_min,
    input  wire signed [OUT_WIDTH-1:0] q_max,
    output wire                        busy,
    output wire signed [OUT_WIDTH-1:0] q
);
    localparam COUNT_WIDTH   = $clog2(MULT_WIDTH + 1);
    localparam PRODUCT_WIDTH = ACC_WIDTH + MULT_WIDTH;

    reg [COUNT_WIDTH-1:0]          count;
    reg                            finish;
    reg signed [ACC_WIDTH-1:0]     operand;
    reg [(SHIFT_WIDTH > 0 ? SHIFT_WIDTH : 1)-1:0] held_shift;
    reg signed [ACC_WIDTH-1:0]     upper;
    reg [MULT_WIDTH-1:0]           lower;

    wire                           idle    = count == {COUNT_WIDTH{1'b0}};
    wire signed [ACC_WIDTH-1:0]    addend  = lower[0] ? operand : {ACC_WIDTH{1'b0}};
    /* verilator lint_off WIDTHEXPAND */ // the sum of two signed numbers, with its carry
    wire signed [ACC_WIDTH:0]      partial = upper + addend;
    /* verilator lint_on WIDTHEXPAND */

    assign busy = ~idle;

    always @(posedge clk) begin
        if (reset) begin
            count  <= {COUNT_WIDTH{1'b0}};
            finish <= 1'b0;
        end else begin
            finish <= count == {{(COUNT_WIDTH-1){1'b0}}, 1'b1};
            if (idle) begin
                if (start) count <= MULT_WIDTH[COUNT_WIDTH-1:0];
            end else begin
                count <= count - {{(COUNT_WIDTH-1){1'b0}}, 1'b1};
            end
        end
    end

    always @(posedge clk) begin
        if (idle) begin
            if (start) begin
                operand    <= acc;
                held_shift <= shift;
                upper      <= {ACC_WIDTH{1'b0}};
                lower      <= mult;
            end
        end else begin
            upper <= $signed(partial[ACC_WIDTH:1]);
            lower <= {partial[0], lower[MULT_WIDTH-1:1]};
        end
    end

    rescaler_output #(
        .IN_WIDTH(PRODUCT_WIDTH), .SHIFT_WIDTH(SHIFT_WIDTH), .SHIFT_MIN(SHIFT_MIN), .OUT_WIDTH(OUT_WIDTH),
        .SHIFT_STAGE(SHIFT_STAGE), .SUM_STAGE(SUM_STAGE),
        .CONSTANTS(CONSTANTS), .ZERO_POINT(ZERO_POINT), .Q_MIN(Q_MIN), .Q_MAX(Q_MAX)
    ) finish_stage (
        .clk(clk), .enable(finish), .value($signed({upper, lower})), .shift(held_shift), .zero_point(zero_point),
        .q_min(q_min), .q_max(q_max), .q(q)
    );
endmodule
