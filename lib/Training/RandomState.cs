using static TorchSharp.torch;

namespace NotebookLib.Training;

/// <summary>The state of libtorch's own generator on the CPU, as bytes.</summary>
internal static class RandomState
{
    /// <summary>The name under which a checkpoint keeps it.</summary>
    public const string LibtorchName = "libtorch";

    public static byte[] OfLibtorch()
    {
        using var generator = Generator.Default;
        using var state = generator.get_state();
        return state.data<byte>().ToArray();
    }

    public static void SetLibtorch(byte[] bytes)
    {
        using var generator = Generator.Default;
        using var state = tensor(bytes);
        generator.set_state(state);
    }
}
