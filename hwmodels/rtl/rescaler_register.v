// The register of all rescalers: WIDTH bits.
//
//   ENABLE = 0: loads at every rising edge of clk          1: only while `enable` is high
//   RESET  = 0: none                                       1: synchronous, high    2: synchronous, low
//                                                          3: asynchronous, high   4: asynchronous, low
//
// A reset clears it, whatever `enable` is. A port that is not used is not read.
module rescaler_register #(
    parameter integer WIDTH  = 8,
    parameter integer ENABLE = 0,
    parameter integer RESET  = 0
) (
    input  wire             clk,
    /* verilator lint_off UNUSEDSIGNAL */ // without reset or enable
    input  wire             reset,
    input  wire             enable,
    /* verilator lint_on UNUSEDSIGNAL */
    input  wire [WIDTH-1:0] d,
    output reg  [WIDTH-1:0] q
);
    generate
        if (WIDTH < 1) begin : g_width
            rescaler_register_WIDTH_must_be_at_least_1 invalid ();
        end
        if (RESET < 0 || RESET > 4) begin : g_reset
            rescaler_register_RESET_must_be_0_to_4 invalid ();
        end

        if (RESET == 0 && ENABLE == 0) begin : g_plain
            always @(posedge clk) q <= d;
        end else if (RESET == 0) begin : g_enabled
            always @(posedge clk) begin
                if (enable) q <= d;
            end
        end else if (RESET == 1) begin : g_synchronous_high
            always @(posedge clk) begin
                if (reset) q <= {WIDTH{1'b0}};
                else if (ENABLE == 0 || enable) q <= d;
            end
        end else if (RESET == 2) begin : g_synchronous_low
            always @(posedge clk) begin
                if (!reset) q <= {WIDTH{1'b0}};
                else if (ENABLE == 0 || enable) q <= d;
            end
        end else if (RESET == 3) begin : g_asynchronous_high
            always @(posedge clk or posedge reset) begin
                if (reset) q <= {WIDTH{1'b0}};
                else if (ENABLE == 0 || enable) q <= d;
            end
        end else begin : g_asynchronous_low
            always @(posedge clk or negedge reset) begin
                if (!reset) q <= {WIDTH{1'b0}};
                else if (ENABLE == 0 || enable) q <= d;
            end
        end
    endgenerate
endmodule
