// A value STAGES rising edges later; STAGES = 0 is a wire.
module rescaler_delay #(
    parameter WIDTH  = 8,
    parameter STAGES = 1
) (
    /* verilator lint_off UNUSEDSIGNAL */ // a wire has no clock
    input  wire             clk,
    /* verilator lint_on UNUSEDSIGNAL */
    input  wire [WIDTH-1:0] value,
    output wire [WIDTH-1:0] delayed
);
    generate
        if (STAGES == 0) begin : g_wire
            assign delayed = value;
        end else if (STAGES == 1) begin : g_register
            reg [WIDTH-1:0] value_q;
            always @(posedge clk) value_q <= value;
            assign delayed = value_q;
        end else begin : g_line
            reg [WIDTH*STAGES-1:0] line;
            always @(posedge clk) line <= {line[WIDTH*(STAGES-1)-1:0], value};
            assign delayed = line[WIDTH*(STAGES-1) +: WIDTH];
        end
    endgenerate
endmodule
