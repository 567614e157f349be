// A table of 64 constants of 31 bits, and nothing else.
module case_rom #(parameter SEED = 12345) (
    input  wire        clk,
    input  wire [5:0]  channel,
    output reg  [30:0] multiplier
);
    function automatic [30:0] entry;
        input integer index;
        integer i;
        reg [31:0] state;
        begin
            state = SEED + index;
            for (i = 0; i < 4; i = i + 1) state = state * 32'd1664525 + 32'd1013904223;
            entry = state[31:1];
        end
    endfunction
    reg [30:0] value;
    always @* begin
        case (channel)
            6'd0: value = entry(0); 6'd1: value = entry(1); 6'd2: value = entry(2); 6'd3: value = entry(3);
            6'd4: value = entry(4); 6'd5: value = entry(5); 6'd6: value = entry(6); 6'd7: value = entry(7);
            6'd8: value = entry(8); 6'd9: value = entry(9); 6'd10: value = entry(10); 6'd11: value = entry(11);
            6'd12: value = entry(12); 6'd13: value = entry(13); 6'd14: value = entry(14); 6'd15: value = entry(15);
            6'd16: value = entry(16); 6'd17: value = entry(17); 6'd18: value = entry(18); 6'd19: value = entry(19);
            6'd20: value = entry(20); 6'd21: value = entry(21); 6'd22: value = entry(22); 6'd23: value = entry(23);
            6'd24: value = entry(24); 6'd25: value = entry(25); 6'd26: value = entry(26); 6'd27: value = entry(27);
            default: value = 31'h40000000;
        endcase
    end
    always @(posedge clk) multiplier <= value;
endmodule
