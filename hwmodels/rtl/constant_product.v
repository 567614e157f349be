// The product of a value and one constant: a sum of shifted values, one per nonzero digit of MULTIPLIER in non-adjacent
// form. Digit i is +1 where PLUS[i] and -1 where MINUS[i] (Reitwiesner 1960: with h = x >> 1 and t = x + h, c = h ^ t, the
// digits are t & c and h & c). Combinational. MULTIPLIER < 2^31.
module constant_product #(
    parameter integer IN_WIDTH   = 32,
    parameter integer MULTIPLIER = 1
) (
    input  wire signed [IN_WIDTH-1:0]                        value,
    output wire signed [IN_WIDTH+$clog2(MULTIPLIER / 2 + 1) + 1:0]   product
);
    localparam [31:0] HALF   = MULTIPLIER >> 1;
    localparam [31:0] TRIPLE = MULTIPLIER + HALF;
    localparam [31:0] DIGIT  = HALF ^ TRIPLE;
    localparam [31:0] PLUS   = TRIPLE & DIGIT;
    localparam [31:0] MINUS  = HALF & DIGIT;
    localparam DIGITS        = $clog2(MULTIPLIER / 2 + 1) + 2;
    localparam PRODUCT_WIDTH = IN_WIDTH + DIGITS;

    // The running sums after each digit, the lowest digit's in the lowest bits. Digits below the i-th add up to less
    // than 2^i, so that their sum has IN_WIDTH + i bits: what an adder adds is no wider than it must be.
    /* verilator lint_off UNUSEDSIGNAL */ // of the digit above the highest, where that is 0
    wire [PRODUCT_WIDTH*DIGITS-1:0]     sums;
    /* verilator lint_on UNUSEDSIGNAL */

    genvar i;
    /* verilator lint_off WIDTHEXPAND */ // signed operands of unlike widths: sign extension is what is meant
    generate
        for (i = 0; i < DIGITS; i = i + 1) begin : g_digit
            /* verilator lint_off UNUSEDSIGNAL */ // of a digit 0
            wire signed [IN_WIDTH+i-1:0]     term = value <<< i;
            wire signed [PRODUCT_WIDTH-1:0]   sum;
            /* verilator lint_on UNUSEDSIGNAL */
            if (DIGIT[i] && ((DIGIT << (32 - i)) == 0 || i == 0)) begin : g_first
                if (PLUS[i]) begin : g_plus
                    assign sum = term;
                end else begin : g_minus
                    assign sum = -term;
                end
            end else if (PLUS[i]) begin : g_plus
                wire signed [IN_WIDTH+i-1:0] below = sums[(i-1)*PRODUCT_WIDTH +: IN_WIDTH+i];
                assign sum = below + term;
            end else if (MINUS[i]) begin : g_minus
                wire signed [IN_WIDTH+i-1:0] below = sums[(i-1)*PRODUCT_WIDTH +: IN_WIDTH+i];
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
    assign product = sums[(DIGITS-1)*PRODUCT_WIDTH +: PRODUCT_WIDTH];
endmodule
