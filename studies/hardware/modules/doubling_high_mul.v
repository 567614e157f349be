// Rounding doubling high multiply and rounding right shift, in the style of gemmlowp's reference.
module doubling_high_mul (
    input  wire               clk,
    input  wire signed [31:0] a,
    input  wire signed [31:0] b,
    input  wire        [4:0]  exponent,
    output reg  signed [31:0] q
);
    wire overflow = (a == b) && (a == 32'sh80000000);
    wire signed [63:0] ab = a * b;
    wire signed [31:0] nudge = (ab >= 0) ? 32'sd1073741824 : -32'sd1073741823;
    wire signed [63:0] nudged = ab + nudge;
    wire signed [31:0] high = overflow ? 32'sh7fffffff
                                       : (nudged[63] && |nudged[30:0]) ? nudged[62:31] + 1'b1 : nudged[62:31];
    wire [31:0] mask = (32'd1 << exponent) - 32'd1;
    wire [31:0] remainder = high & mask;
    wire [31:0] threshold = (mask >> 1) + {31'd0, high[31]};
    always @(posedge clk) q <= (high >>> exponent) + $signed({31'd0, remainder > threshold});
endmodule
