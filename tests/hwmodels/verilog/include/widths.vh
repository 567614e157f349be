`ifndef WIDTHS_VH
`define WIDTHS_VH
`define WORD 12
`define MAX(a, b) ((a) > (b) ? (a) : (b))
`endif
