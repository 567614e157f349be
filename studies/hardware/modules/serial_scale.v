// Shift-and-add multiplication over several cycles, with a small state machine.
module serial_scale #(parameter ACC = 24, parameter MUL = 12) (
    input  wire                  clk,
    input  wire                  rst_n,
    input  wire                  start,
    input  wire signed [ACC-1:0] acc,
    input  wire        [MUL-1:0] mul,
    output reg                   done,
    output wire signed [7:0]     q
);
    localparam IDLE = 2'd0, RUN = 2'd1, DONE = 2'd2;
    reg [1:0] state;
    reg [3:0] count;
    reg [MUL-1:0] bits;
    reg signed [ACC-1:0] operand;
    reg signed [ACC+MUL-1:0] sum;
    always @(posedge clk or negedge rst_n) begin
        if (!rst_n) begin
            state <= IDLE;
            done <= 1'b0;
            count <= 4'd0;
        end else case (state)
            IDLE: begin
                done <= 1'b0;
                if (start) begin
                    state <= RUN;
                    count <= MUL;
                    bits <= mul;
                    operand <= acc;
                    sum <= 0;
                end
            end
            RUN: begin
                sum <= (sum <<< 1) + (bits[MUL-1] ? operand : 0);
                bits <= bits << 1;
                count <= count - 4'd1;
                if (count == 4'd1) state <= DONE;
            end
            default: begin
                done <= 1'b1;
                state <= IDLE;
            end
        endcase
    end
    wire signed [ACC+MUL-1:0] rounded = (sum + 36'sd8192) >>> 14;
    assign q = rounded > 127 ? 8'sd127 : rounded < -128 ? -8'sd128 : rounded[7:0];
endmodule
