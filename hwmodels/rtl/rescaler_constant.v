// Rescaler of one channel in streaming style, contract half_up: multiplier and shift are constants.
//
//   q = clamp(zero_point + ((acc * MULTIPLIER + 2^(SHIFT-1)) >> SHIFT), q_min, q_max)
//
// The product is a sum of shifted operands, one per nonzero digit of MULTIPLIER in non-adjacent form: digit i is
// +1 where PLUS[i] and -1 where MINUS[i] (Reitwiesner 1960: with h = x >> 1 and t = x + h, c = h ^ t, the digits
// are t & c and h & c). MULTIPLIER < 2^31. CONSTANTS: see rescaler_output.v, which this needs.
module rescaler_constant #(
    parameter ACC_WIDTH  = 32,
    parameter MULTIPLIER = 1,
    parameter SHIFT      = 8,
    parameter OUT_WIDTH  = 8,
    parameter CONSTANTS  = 0,
    parameter ZERO_POINT = 0,
    parameter Q_MIN      = -128,
    parameter Q_MAX      = 127
) (
    input  wire                        clk,
    input  wire signed [ACC_WIDTH-1:0] acc,
    input  wire signed [OUT_WIDTH-1:0] zero_point,
    input  wire signed [OUT_WIDTH-1:0] q_min,
    input  wire signed [OUT_WIDTH-1:0] q_max,
    output wire signed [OUT_WIDTH-1:0] q
);
    localparam [31:0] HALF   = MULTIPLIER >> 1;
    localparam [31:0] TRIPLE = MULTIPLIER + HALF;
    localparam [31:0] DIGIT  = HALF ^ TRIPLE;
    localparam [31:0] PLUS   = TRIPLE & DIGIT;
    localparam [31:0] MINUS  = HALF & DIGIT;
    localparam DIGITS        = $clog2(MULTIPLIER + 1) + 1;
    localparam PRODUCT_WIDTH = ACC_WIDTH + DIGITS;

    // The running sums after each digit, the lowest digit's in the lowest bits. Digits below the i-th add up to less
    // than 2^i, so that their sum has ACC_WIDTH + i bits: what an adder adds is no wider than it must be.
    /* verilator lint_off UNUSEDSIGNAL */ // of the digit above the highest, where that is 0
    wire [PRODUCT_WIDTH*DIGITS-1:0]     sums;
    /* verilator lint_on UNUSEDSIGNAL */

    genvar i;
    /* verilator lint_off WIDTHEXPAND */ // signed operands of unlike widths: sign extension is what is meant
    generate
        for (i = 0; i < DIGITS; i = i + 1) begin : g_digit
            /* verilator lint_off UNUSEDSIGNAL */ // of a digit 0
            wire signed [ACC_WIDTH+i-1:0]     term = acc <<< i;
            wire signed [PRODUCT_WIDTH-1:0]   sum;
            /* verilator lint_on UNUSEDSIGNAL */
            if (DIGIT[i] && ((DIGIT << (32 - i)) == 0 || i == 0)) begin : g_first
                if (PLUS[i]) begin : g_plus
                    assign sum = term;
                end else begin : g_minus
                    assign sum = -term;
                end
            end else if (PLUS[i]) begin : g_plus
                wire signed [ACC_WIDTH+i-1:0] below = sums[(i-1)*PRODUCT_WIDTH +: ACC_WIDTH+i];
                assign sum = below + term;
            end else if (MINUS[i]) begin : g_minus
                wire signed [ACC_WIDTH+i-1:0] below = sums[(i-1)*PRODUCT_WIDTH +: ACC_WIDTH+i];
                assign sum = below - term;
            end else if (i == 0) begin : g_nothing_yet
                assign sum = {PRODUCT_WIDTH{1'b0}};
            end else begin : g_zero
                assign sum = sums[(i-1)*PRODUCT_WIDTH +: PRODUCT_WIDTH];
            end
            assign sums[i*PRODUCT_WIDTH +: PRODUCT_WIDTH] = sum;
        end
    endgenerate
    /* verilator lint_on WIDTHEXPAND */
    wire signed [PRODUCT_WIDTH-1:0] product = sums[(DIGITS-1)*PRODUCT_WIDTH +: PRODUCT_WIDTH];

    rescaler_output #(
        .IN_WIDTH(PRODUCT_WIDTH), .SHIFT_WIDTH(0), .SHIFT_MIN(SHIFT), .OUT_WIDTH(OUT_WIDTH),
        .CONSTANTS(CONSTANTS), .ZERO_POINT(ZERO_POINT), .Q_MIN(Q_MIN), .Q_MAX(Q_MAX)
    ) finish (
        .clk(clk), .enable(1'b1), .value(product), .shift(1'b0), .zero_point(zero_point),
        .q_min(q_min), .q_max(q_max), .q(q)
    );
endmodule
