// A memory with an address computed by $clog2, enables, and loops in a process.
module queue #(
    parameter WIDTH = 8,
    parameter DEPTH = 12
) (
    input                  clk,
    input                  push,
    input                  pop,
    input      [WIDTH-1:0] in,
    output reg [WIDTH-1:0] out,
    output                 empty,
    output reg [3:0]       ones
);
    localparam A = $clog2(DEPTH);
    reg [WIDTH-1:0] store [0:DEPTH-1];
    reg [A-1:0] head, tail;
    integer i;

    assign empty = head == tail;

    always @(posedge clk) begin
        if (push) begin
            store[head] <= in;
            head <= (head == DEPTH - 1) ? {A{1'b0}} : head + 1'b1;
        end
        if (pop && !empty) begin
            out  <= store[tail];
            tail <= tail + 1'b1;
        end
    end

    always @* begin
        ones = 4'd0;
        for (i = 0; i < WIDTH; i = i + 1)
            ones = ones + in[i];
    end
endmodule
