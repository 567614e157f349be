// Three stages with enable and synchronous reset: multiply, round and shift, add zero point and clamp.
module pipelined_requant #(parameter ACC = 32, parameter MUL = 16, parameter OUT = 8) (
    input  wire                  clk,
    input  wire                  reset,
    input  wire                  valid_in,
    input  wire signed [ACC-1:0] acc,
    input  wire        [MUL-1:0] mul,
    input  wire        [5:0]     shift,
    input  wire signed [OUT-1:0] zero_point,
    output reg                   valid_out,
    output reg  signed [OUT-1:0] out
);
    localparam signed [ACC+MUL:0] HIGH = (1 << (OUT - 1)) - 1;
    localparam signed [ACC+MUL:0] LOW = -(1 << (OUT - 1));
    reg signed [ACC+MUL-1:0] product;
    reg signed [ACC+MUL-1:0] shifted;
    reg [5:0] shift_1;
    reg [1:0] valid;
    wire signed [ACC+MUL-1:0] half = {{(ACC+MUL-1){1'b0}}, 1'b1} << (shift_1 - 1);
    wire signed [ACC+MUL:0] biased = shifted + zero_point;
    always @(posedge clk) begin
        if (reset) begin
            valid <= 2'b00;
            valid_out <= 1'b0;
            product <= 0;
            shifted <= 0;
            out <= 0;
        end else begin
            valid <= {valid[0], valid_in};
            valid_out <= valid[1];
            if (valid_in) begin
                product <= acc * $signed({1'b0, mul});
                shift_1 <= shift;
            end
            if (valid[0]) shifted <= (product + half) >>> shift_1;
            if (valid[1]) out <= biased > HIGH ? HIGH : biased < LOW ? LOW : biased[OUT-1:0];
        end
    end
endmodule
