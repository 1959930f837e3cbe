using CsCheck;

namespace NotebookLib.Tests.Metrics;

/// <summary>Random tag sequences over three types, ill-formed ones included: ids of <c>new LabelSet(["PER", "ORG", "LOC"])</c>.</summary>
internal static class TagSequences
{
    public static Gen<(int[] Gold, int[] Predicted)[]> Pairs { get; } =
        Gen.Int[0, 12].SelectMany(length => Gen.Select(Gen.Int[0, 6].Array[length], Gen.Int[0, 6].Array[length])).Array[0, 8];
}
