using NotebookLib.Platform;

namespace NotebookLib.Model;

/// <summary>
/// While one is open, the encoder's products on this thread run in int8: weights with a scale per output column, rows with a scale each, whole numbers summed
/// up without rounding. For evaluation and tagging on a CPU; there is no gradient through them.
/// </summary>
internal static class Int8Products
{
    [ThreadStatic]
    private static int s_open;

    /// <summary>Whether one is open on this thread.</summary>
    public static bool AreOn => s_open > 0;

    /// <summary>Opens it.</summary>
    /// <exception cref="PlatformNotSupportedException">See <see cref="EnsureAvailable"/>.</exception>
    public static IDisposable Enter()
    {
        EnsureAvailable();
        s_open++;
        return new Ending(() => s_open--);
    }

    /// <summary>Checks that this processor and this libtorch multiply bytes.</summary>
    /// <exception cref="PlatformNotSupportedException">They do not; the message says what is missing and what to choose instead.</exception>
    public static void EnsureAvailable()
    {
        if (DispatcherOperators.Int8Problem is { } problem)
        {
            throw new PlatformNotSupportedException($"{problem} Choose the precision bfloat16 or float32.");
        }
    }
}
