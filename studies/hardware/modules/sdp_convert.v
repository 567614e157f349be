// Convert stage of a post-processor: offset, scale, truncate with rounding, saturate; valid and ready pipe.
module sdp_convert (
    input  wire        clk,
    input  wire        rstn,
    input  wire [31:0] cfg_offset,
    input  wire [15:0] cfg_scale,
    input  wire [5:0]  cfg_truncate,
    input  wire        cfg_bypass,
    input  wire        in_valid,
    output wire        in_ready,
    input  wire [31:0] in_data,
    output reg         out_valid,
    input  wire        out_ready,
    output reg  [15:0] out_data
);
    wire [32:0] sub = {in_data[31], in_data} - {cfg_offset[31], cfg_offset};
    wire [48:0] mul = $signed(sub) * $signed(cfg_scale);
    wire sign = mul[48];
    wire [48:0] body;
    wire [48:0] guard;
    assign {body, guard} = $signed({mul, 49'd0}) >>> cfg_truncate;
    wire guide = guard[48];
    wire [47:0] stick = guard[47:0];
    wire point = sign ? (guide & (|stick)) : guide;
    wire [48:0] rounded = body + point;
    wire fits = (&rounded[48:15]) | (~|rounded[48:15]);
    wire [15:0] saturated = fits ? rounded[15:0] : {sign, {15{~sign}}};
    assign in_ready = out_ready | ~out_valid;
    always @(posedge clk or negedge rstn) begin
        if (!rstn) out_valid <= 1'b0;
        else if (in_ready) out_valid <= in_valid;
    end
    always @(posedge clk) if (in_ready & in_valid) out_data <= cfg_bypass ? in_data[15:0] : saturated;
endmodule
