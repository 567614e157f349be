`timescale 1ns / 1ps
`include "include/widths.vh"
`include "include/widths.vh"
`define ADD(x, y) \
    ((x) + (y))
`ifdef FAST
`define STAGES 1
`elsif SMALL
`define STAGES 3
`else
`define STAGES 2
`endif
(* note = "attributes are blanked" *)
module macros (input clk, input [`WORD-1:0] x, y, output reg [`WORD:0] z); // a `comment
    localparam LIMIT = `MAX(`WORD, 10) + `STAGES;
    /* `not_a_macro */
    always @(posedge clk) z <= `ADD(x, y) + LIMIT;
endmodule
