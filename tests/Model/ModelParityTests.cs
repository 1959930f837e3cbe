using TorchSharp;

namespace NotebookLib.Tests.Model;

/// <summary>The committed golden (two layers' worth of every v3 switch, transformers 4.35.2): what always runs.</summary>
public class ModelParityTests
{
    private static readonly string Folder = Repository.PathOf("tests", "goldens", "model", "v3-tiny");

    [Fact]
    public void Logits_loss_and_hidden_states_equal_the_golden_in_float64()
    {
        using var golden = Open(torch.float64);

        golden.AssertForward(1e-10);
    }

    [Fact]
    public void Gradients_equal_the_golden_in_float64()
    {
        using var golden = Open(torch.float64);

        golden.AssertGradients(1e-10);
    }

    [Fact]
    public void Everything_equals_the_golden_in_float32()
    {
        using var golden = Open(torch.float32);

        golden.AssertForward(1e-5);
        golden.AssertGradients(1e-5);
    }

    private static GoldenNetwork Open(torch.ScalarType dtype) => new(Folder, dtype, "expected_f64.safetensors", "gradients_f64.safetensors");
}
