// Arrays whose words are variables: a pipeline, a tree of sums in wires, a generated delay line, temporaries.
module arrays #(parameter N = 4) (
    input                     clk,
    input              [7:0]  a,
    input              [8*N-1:0] x,
    input  signed      [7:0]  d,
    output             [9:0]  delayed,
    output             [9:0]  sum,
    output signed      [7:0]  halved,
    output reg         [9:0]  combined
);
    reg [9:0] stage [0:3];
    always @(posedge clk) begin
        stage[0] <= a;
        stage[1] <= stage[0] + 1;
        stage[2] <= stage[1] * 3;
        stage[3] <= stage[2] ^ stage[1];
    end
    assign delayed = stage[3];

    wire [9:0] node [0:2*N-2];
    genvar i;
    generate
        for (i = 0; i < N; i = i + 1) begin : g_leaf
            assign node[N-1+i] = x[8*i +: 8];
        end
        for (i = 0; i < N - 1; i = i + 1) begin : g_sum
            assign node[i] = node[2*i+1] + node[2*i+2];
        end
    endgenerate
    assign sum = node[0];

    reg signed [7:0] line [1:N];
    generate
        for (i = 1; i <= N; i = i + 1) begin : g_line
            always @(posedge clk) line[i] <= (i == 1) ? d : line[i-1] >>> 1;
        end
    endgenerate
    assign halved = line[N];

    reg [9:0] part [0:1];
    always @* begin
        part[0] = a;
        part[1] = part[0] + x[7:0];
        combined = part[1] + 10'd3;
    end
endmodule
