using System.Runtime.ExceptionServices;
using static TorchSharp.torch;

namespace NotebookLib.Model;

/// <summary>
/// Runs backward passes. An exception inside a gradient that is written in C# cannot cross libtorch (it would end the process): the gradient keeps it here, and
/// it is thrown when the pass is over, before anybody makes an update of half the gradients.
/// </summary>
internal static class BackwardPass
{
    [ThreadStatic]
    private static bool _isRunning;

    [ThreadStatic]
    private static ExceptionDispatchInfo? _failure;

    // On CUDA libtorch runs the pass on threads of its own.
    private static ExceptionDispatchInfo? s_failureElsewhere;

    /// <summary>Adds the gradients of a loss to its parameters'.</summary>
    /// <param name="loss">A scalar.</param>
    /// <exception cref="Exception">What went wrong inside; some gradients may be there, others not.</exception>
    public static void Run(Tensor loss)
    {
        (_isRunning, _failure) = (true, null);
        try
        {
            loss.backward();
        }
        finally
        {
            _isRunning = false;
        }

        (_failure ?? Interlocked.Exchange(ref s_failureElsewhere, null))?.Throw();
    }

    /// <summary>Keeps an exception for the end of the pass; the first one is the cause.</summary>
    public static void Fail(Exception error)
    {
        var failure = ExceptionDispatchInfo.Capture(error);
        if (_isRunning)
        {
            _failure ??= failure;
        }
        else
        {
            Interlocked.CompareExchange(ref s_failureElsewhere, failure, null);
        }
    }
}
