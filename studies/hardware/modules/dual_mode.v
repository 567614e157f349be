// Hierarchy: a shared 16-bit multiplier, two modes, several instances of a clamp with parameters.
module clamp_unit #(parameter IN = 24, parameter OUT = 8, parameter UNSIGNED = 0) (
    input  wire signed [IN-1:0] x,
    output wire [OUT-1:0]       y
);
    generate
        if (UNSIGNED) begin : u
            assign y = x[IN-1] ? {OUT{1'b0}} : |x[IN-2:OUT] ? {OUT{1'b1}} : x[OUT-1:0];
        end else begin : s
            wire fits = x[IN-1:OUT-1] == {(IN-OUT+1){x[IN-1]}};
            assign y = fits ? x[OUT-1:0] : {x[IN-1], {(OUT-1){~x[IN-1]}}};
        end
    endgenerate
endmodule

module dual_mode (
    input  wire               clk,
    input  wire               srst,
    input  wire               mode,
    input  wire signed [19:0] acc,
    input  wire signed [15:0] scale,
    input  wire [2:0]         window,
    input  wire [7:0]         zp,
    output reg  [7:0]         y
);
    wire signed [35:0] p = acc * scale;
    wire signed [23:0] s0 = p[35:12] >>> window;
    wire signed [23:0] s1 = s0 + {16'd0, zp};
    wire [7:0] y_s, y_u;
    clamp_unit #(.IN(24), .OUT(8)) signed_clamp (.x(s0), .y(y_s));
    clamp_unit #(.IN(24), .OUT(8), .UNSIGNED(1)) unsigned_clamp (s1, y_u);
    always @(posedge clk)
        if (srst) y <= 8'd0;
        else y <= mode ? y_u : y_s;
endmodule
