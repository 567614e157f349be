// A value STAGES rising edges later; STAGES = 0 is a wire. ENABLE and RESET: see rescaler_register.v, which this needs.
module rescaler_delay #(
    parameter integer WIDTH  = 8,
    parameter integer STAGES = 1,
    parameter integer ENABLE = 0,
    parameter integer RESET  = 0
) (
    /* verilator lint_off UNUSEDSIGNAL */ // a wire has no clock
    input  wire             clk,
    input  wire             reset,
    input  wire             enable,
    /* verilator lint_on UNUSEDSIGNAL */
    input  wire [WIDTH-1:0] value,
    output wire [WIDTH-1:0] delayed
);
    genvar i;
    generate
        if (STAGES < 0) begin : g_stages_check
            rescaler_delay_STAGES_must_be_at_least_0 invalid ();
        end else if (STAGES == 0) begin : g_wire
            assign delayed = value;
        end else begin : g_line
            wire [WIDTH*(STAGES+1)-1:0] line;
            assign line[WIDTH-1:0] = value;
            for (i = 0; i < STAGES; i = i + 1) begin : g_stage
                rescaler_register #(.WIDTH(WIDTH), .ENABLE(ENABLE), .RESET(RESET)) stage_register (
                    .clk(clk), .reset(reset), .enable(enable),
                    .d(line[i*WIDTH +: WIDTH]), .q(line[(i+1)*WIDTH +: WIDTH])
                );
            end
            assign delayed = line[STAGES*WIDTH +: WIDTH];
        end
    endgenerate
endmodule
