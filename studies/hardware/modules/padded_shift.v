// Left shift into a padded word, then a right shift by a constant: a float-like scale without multiplier.
module padded_shift (
    input  wire               clk,
    input  wire signed [15:0] a,
    input  wire        [3:0]  s,
    output reg  signed [15:0] y
);
    wire [31:0] padded = {a, 16'h0000};
    wire [31:0] extended = {{16{a[15]}}, a};
    wire [31:0] down = padded >> s;
    wire [31:0] up = extended << s;
    always @(posedge clk) y <= s[3] ? up[23:8] : down[31:16];
endmodule
