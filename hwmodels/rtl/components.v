// Single components, registered at the output like the rescalers, for characterisation by synthesis.
/* verilator lint_off DECLFILENAME */ // several small modules share this file

module component_multiplier #(
    parameter A_WIDTH = 16,
    parameter B_WIDTH = 8
) (
    input  wire                              clk,
    input  wire signed [A_WIDTH-1:0]         a,
    input  wire [B_WIDTH-1:0]                b,
    output reg  signed [A_WIDTH+B_WIDTH-1:0] y
);
    wire signed [B_WIDTH:0] b_signed = {1'b0, b};
    /* verilator lint_off WIDTHEXPAND */ // signed operands of unlike widths: sign extension is what is meant
    always @(posedge clk) y <= a * b_signed;
    /* verilator lint_on WIDTHEXPAND */
endmodule

module component_adder #(
    parameter A_WIDTH = 16
) (
    input  wire                      clk,
    input  wire signed [A_WIDTH-1:0] a,
    input  wire signed [A_WIDTH-1:0] b,
    output reg  signed [A_WIDTH:0]   y
);
    /* verilator lint_off WIDTHEXPAND */ // the sum of two signed numbers, with its carry
    always @(posedge clk) y <= a + b;
    /* verilator lint_on WIDTHEXPAND */
endmodule

module component_comparator #(
    parameter A_WIDTH = 16
) (
    input  wire                      clk,
    input  wire signed [A_WIDTH-1:0] a,
    input  wire signed [A_WIDTH-1:0] b,
    output reg                       y
);
    always @(posedge clk) y <= a < b;
endmodule

module component_shifter #(
    parameter A_WIDTH = 16,
    parameter S_WIDTH = 3
) (
    input  wire                      clk,
    input  wire signed [A_WIDTH-1:0] a,
    input  wire [S_WIDTH-1:0]        s,
    output reg  signed [A_WIDTH-1:0] y
);
    always @(posedge clk) y <= a >>> s;
endmodule

module component_mux #(
    parameter A_WIDTH = 16
) (
    input  wire               clk,
    input  wire [A_WIDTH-1:0] a,
    input  wire [A_WIDTH-1:0] b,
    input  wire               s,
    output reg  [A_WIDTH-1:0] y
);
    always @(posedge clk) y <= s ? b : a;
endmodule

module component_logic #(
    parameter A_WIDTH = 16
) (
    input  wire               clk,
    input  wire [A_WIDTH-1:0] a,
    input  wire [A_WIDTH-1:0] b,
    output reg  [A_WIDTH-1:0] y
);
    always @(posedge clk) y <= a & b;
endmodule

module component_register #(
    parameter A_WIDTH = 16
) (
    input  wire               clk,
    input  wire [A_WIDTH-1:0] a,
    output reg  [A_WIDTH-1:0] y
);
    always @(posedge clk) y <= a;
endmodule
