// Multipliers and shifts of 16 channels in a case, chosen by a counter.
module multiplier_rom (
    input  wire               clk,
    input  wire               rst,
    input  wire               en,
    input  wire signed [23:0] acc,
    output reg  signed [7:0]  q
);
    reg [3:0] channel;
    reg [14:0] m;
    reg [3:0] s;
    always @(posedge clk) if (rst) channel <= 4'd0; else if (en) channel <= channel + 4'd1;
    always @* begin
        case (channel)
            4'd0: begin m = 15'd17342; s = 4'd7; end
            4'd1: begin m = 15'd21077; s = 4'd8; end
            4'd2: begin m = 15'd30011; s = 4'd6; end
            4'd3: begin m = 15'd16999; s = 4'd7; end
            4'd4: begin m = 15'd28123; s = 4'd9; end
            4'd5: begin m = 15'd19870; s = 4'd7; end
            4'd6: begin m = 15'd22222; s = 4'd8; end
            4'd7: begin m = 15'd31245; s = 4'd5; end
            4'd8: begin m = 15'd18018; s = 4'd7; end
            4'd9: begin m = 15'd27654; s = 4'd6; end
            4'd10: begin m = 15'd24601; s = 4'd8; end
            4'd11: begin m = 15'd20491; s = 4'd7; end
            4'd12: begin m = 15'd32001; s = 4'd9; end
            4'd13: begin m = 15'd16500; s = 4'd7; end
            4'd14: begin m = 15'd29999; s = 4'd6; end
            default: begin m = 15'd23456; s = 4'd8; end
        endcase
    end
    wire signed [39:0] p = acc * $signed({1'b0, m});
    wire signed [39:0] r = (p + (40'sd1 <<< (s + 4'd13))) >>> (s + 5'd14);
    wire signed [7:0] c = r > 127 ? 8'sd127 : r < -128 ? -8'sd128 : r[7:0];
    always @(posedge clk) if (en) q <= c;
endmodule
