// Width and sign rules: mixed signedness, context widths, shifts, comparisons, reductions, selects.
module arithmetic #(
    parameter W = 8,
    parameter signed [3:0] BIAS = -3
) (
    input  signed [W-1:0] a, b,
    input         [W-1:0] c,
    input         [2:0]   s,
    output signed [2*W-1:0] product,
    output        [2*W:0]   mixed,
    output signed [W:0]     biased,
    output        [W-1:0]   shifts,
    output        [3:0]     flags,
    output                  any,
    output        [W-1:0]   chosen,
    output        [3:0]     nibble,
    output                  bit_at,
    output        [2*W-1:0] joined,
    output        [W-1:0]   negated
);
    localparam HALF = W / 2;
    assign product = a * b;
    assign mixed   = a * c + b;
    assign biased  = a + BIAS;
    assign shifts  = ((a >>> s) ^ (c << 2)) | (c >> s);
    assign flags   = {a < b, a < c, a == b, c >= 3};
    assign any     = |a && !(&b) || ^c;
    assign chosen  = (a > 0) ? c : (b != 0) ? a : {W{1'b1}};
    assign nibble  = c[HALF +: 4] - c[3 -: 4];
    assign bit_at  = c[s];
    assign joined  = {a, ~c};
    assign negated = -a + (c - 1'b1) % 3;
endmodule
