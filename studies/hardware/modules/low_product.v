// The low half of a 32 by 32 product, an accumulator behind it.
module low_product (
    input  wire        clk,
    input  wire        rst_n,
    input  wire        clear,
    input  wire [31:0] a,
    input  wire [31:0] b,
    output reg  [31:0] sum
);
    wire [31:0] p = a * b;
    always @(posedge clk or negedge rst_n)
        if (!rst_n) sum <= 32'd0;
        else sum <= clear ? p : sum + p;
endmodule
