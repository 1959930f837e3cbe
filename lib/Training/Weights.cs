using NotebookLib.Model;
using static TorchSharp.torch;

namespace NotebookLib.Training;

/// <summary>Puts a checkpoint's weights back into the model that wrote them.</summary>
internal static class Weights
{
    /// <exception cref="KeyNotFoundException">A parameter is missing in the folder.</exception>
    /// <exception cref="InvalidDataException">A parameter has another shape there.</exception>
    public static void Load(nn.Module model, string folder)
    {
        using var source = Checkpoint.OpenFolder(folder);
        foreach (var (name, parameter) in model.named_parameters())
        {
            source.ReadInto(name, parameter);
        }
    }
}
