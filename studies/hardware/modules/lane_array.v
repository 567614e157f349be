// Lanes of a 2-D array of nets, a tree of adders over them, and a clamp in a function.
module lane_array #(parameter LANES = 8, parameter W = 16) (
    input  wire                 clk,
    input  wire [LANES*8-1:0]   a,
    input  wire [LANES*8-1:0]   b,
    input  wire [4:0]           s,
    output reg  signed [7:0]    y
);
    wire signed [W-1:0] product [0:LANES-1];
    wire signed [W+2:0] sum [0:2*LANES-2];
    function automatic signed [7:0] clamp(input signed [W+2:0] v);
        clamp = (v > 127) ? 8'sd127 : (v < -128) ? -8'sd128 : v[7:0];
    endfunction
    genvar i;
    for (i = 0; i < LANES; i = i + 1) begin : multiply
        assign product[i] = $signed(a[8*i+7 -: 8]) * $signed(b[8*i+7 -: 8]);
        assign sum[LANES-1+i] = product[i];
    end
    for (i = 0; i < LANES - 1; i = i + 1) begin : reduce
        assign sum[i] = sum[2*i+1] + sum[2*i+2];
    end
    always @(posedge clk) y <= clamp(sum[0] >>> s);
endmodule
