using NotebookLib.Platform;
using TorchSharp;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Platform;

[Collection(AutocastTestGroup.Name)]
public class AutocastTests
{
    [Fact]
    public void Products_run_in_bfloat16_inside_and_in_float32_outside()
    {
        using var scope = NewDisposeScope();
        var a = ones(4, 4);
        Assert.Equal(ScalarType.Float32, a.mm(a).dtype);

        using (Autocast.Enter(ScalarType.BFloat16))
        {
            Assert.True(Autocast.IsEnabled(DeviceType.CPU));
            Assert.Equal(ScalarType.BFloat16, a.mm(a).dtype);
        }

        Assert.False(Autocast.IsEnabled(DeviceType.CPU));
        Assert.Equal(ScalarType.Float32, a.mm(a).dtype);
    }

    [Fact]
    public void A_weight_changed_after_the_scope_is_cast_anew_in_the_next()
    {
        using var scope = NewDisposeScope();
        var weight = ones(2, 2).requires_grad_();
        var input = ones(2, 2);
        using (Autocast.Enter(ScalarType.BFloat16))
        {
            Assert.Equal(2f, input.mm(weight).to(ScalarType.Float32)[0, 0].item<float>());
        }

        using (no_grad())
        {
            weight.mul_(3);
        }

        using (Autocast.Enter(ScalarType.BFloat16))
        {
            Assert.Equal(6f, input.mm(weight).to(ScalarType.Float32)[0, 0].item<float>());
        }
    }
}
