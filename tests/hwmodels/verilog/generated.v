// Generate loops and conditions, instances by name and by order, parameters handed down, functions, gates.
module cell_adder #(parameter W = 4, parameter STEP = 1) (input [W-1:0] x, output [W:0] y);
    assign y = x + STEP;
endmodule

module generated #(
    parameter LANES = 3,
    parameter W     = 6,
    parameter KIND  = 1
) (
    input              clk,
    input  [LANES*W-1:0] x,
    output [LANES*(W+1)-1:0] y,
    output [W-1:0]     folded,
    output             parity
);
    function integer bits_for;
        input integer value;
        integer rest;
        begin
            rest = value - 1;
            for (bits_for = 0; rest > 0; bits_for = bits_for + 1) rest = rest >> 1;
        end
    endfunction

    function [W-1:0] swap;
        input [W-1:0] value;
        swap = {value[0], value[W-1:1]} + 1'b1;
    endfunction

    localparam INDEX = bits_for(LANES + 2);
    reg [INDEX-1:0] index;
    always @(posedge clk) index <= index + 1'b1;

    genvar i;
    generate
        for (i = 0; i < LANES; i = i + 1) begin : lane
            wire [W-1:0] mine = x[i*W +: W];
            if (i == 0) begin : first
                cell_adder #(W, 3) add (mine, y[W:0]);
            end else begin : rest
                cell_adder #(.W(W), .STEP(i)) add (.y(y[i*(W+1) +: W+1]), .x(mine));
            end
        end
        case (KIND)
            0: assign folded = x[W-1:0] & x[2*W-1:W];
            1, 2: assign folded = swap(x[W-1:0]);
            default: assign folded = {W{1'b0}};
        endcase
    endgenerate

    if (KIND > 0) begin : g_parity
        xor g (parity, x[0], x[1], clk);
    end else begin : g_none
        nand g (parity, x[0], x[1]);
    end
endmodule
