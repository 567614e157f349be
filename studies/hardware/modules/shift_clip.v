// Tensor ALU of a streaming accelerator: add, minimum, maximum or shift by a signed amount, over several lanes.
module shift_clip #(parameter LANES = 4, parameter BITS = 32) (
    input  wire                  clk,
    input  wire                  en,
    input  wire [1:0]            opcode,
    input  wire [LANES*BITS-1:0] x,
    input  wire [BITS-1:0]       immediate,
    output reg  [LANES*8-1:0]    y
);
    genvar i;
    generate
        for (i = 0; i < LANES; i = i + 1) begin : lane
            wire signed [BITS-1:0] a = x[i*BITS +: BITS];
            wire signed [BITS-1:0] b = immediate;
            reg signed [BITS-1:0] r;
            always @(*) begin : alu
                case (opcode)
                    2'd0: r = (a < b) ? a : b;
                    2'd1: r = (a > b) ? a : b;
                    2'd2: r = a + b;
                    default: r = b[BITS-1] ? a << (-b & 5'h1f) : a >>> b[4:0];
                endcase
            end
            wire signed [7:0] clipped = (r > 127) ? 8'sd127 : (r < -128) ? -8'sd128 : r[7:0];
            always @(posedge clk) if (en) y[i*8 +: 8] <= clipped;
        end
    endgenerate
endmodule
