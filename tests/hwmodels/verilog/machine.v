// A state machine with asynchronous reset, nested conditions, cases with several labels, and defaults.
module machine (
    input            clk,
    input            rst_n,
    input            go,
    input      [1:0] kind,
    input      [7:0] data,
    output reg [7:0] total,
    output reg       done
);
    localparam IDLE = 2'd0, RUN = 2'd1, WAIT = 2'd2, STOP = 2'd3;
    reg [1:0] state, next;
    reg [3:0] count;

    always @(*) begin
        next = state;
        case (state)
            IDLE: if (go) next = RUN;
            RUN:  next = (count == 4'd9) ? STOP : WAIT;
            WAIT: if (kind != 2'b00) next = RUN;
            default: next = IDLE;
        endcase
    end

    always @(posedge clk or negedge rst_n) begin
        if (!rst_n) begin
            state <= IDLE;
            count <= 4'd0;
            total <= 8'd0;
            done  <= 1'b0;
        end else begin
            state <= next;
            done  <= state == STOP;
            if (state == RUN) begin
                count <= count + 1'b1;
                case (kind)
                    2'b00, 2'b01: total <= total + data;
                    2'b10: begin
                        total[3:0] <= data[7:4];
                        total[7:4] <= total[7:4] ^ data[3:0];
                    end
                endcase
            end else if (state == IDLE)
                count <= 4'd0;
        end
    end
endmodule
