using Polly;
using Polly.Retry;

namespace NotebookLib.Tracking;

/// <summary>A failure that may pass: no connection, an overload, a server's fault.</summary>
/// <param name="reason">What happened, without addresses or headers.</param>
/// <param name="retryAfter">What the server asked for, or null.</param>
internal sealed class TransientException(string reason, TimeSpan? retryAfter = null) : Exception(reason)
{
    public TimeSpan? RetryAfter => retryAfter;
}

/// <summary>
/// When to try again, as wandb 0.31 does (WANDB.md §9): 2 s, doubling, times 1 to 1.25 by chance, at most 60 s; Retry-After instead where the server gives it.
/// </summary>
/// <param name="BaseSeconds">The first wait.</param>
/// <param name="CapSeconds">The longest wait of the doubling.</param>
/// <param name="Tries">How often to try again.</param>
internal sealed record RetryPolicy(double BaseSeconds, double CapSeconds, int Tries)
{
    // A server that asks for a year is not obeyed.
    private static readonly TimeSpan LongestRetryAfter = TimeSpan.FromHours(1);

    /// <summary>GraphQL calls and file uploads.</summary>
    public static readonly RetryPolicy Calls = new(2, 60, 20);

    /// <summary>The stream of rows: days of patience.</summary>
    public static readonly RetryPolicy Stream = new(2, 60, 10_085);

    /// <summary>Statuses that are never tried again (WANDB.md §9).</summary>
    public static bool IsFinal(int status) => status is (>= 300 and < 400) or 400 or 401 or 403 or 404 or 409 or 410 or 413 or 422 or 501;

    /// <summary>The wait before try <paramref name="attempt"/> + 1.</summary>
    /// <param name="attempt">0 for the first wait.</param>
    /// <param name="retryAfter">What the server asked for.</param>
    /// <param name="chance">Uniform in [0, 1).</param>
    public TimeSpan Delay(int attempt, TimeSpan? retryAfter, double chance)
        => retryAfter is { } asked
            ? TimeSpan.FromTicks(Math.Clamp(asked.Ticks, 0, LongestRetryAfter.Ticks))
            : TimeSpan.FromSeconds(Math.Min(CapSeconds, BaseSeconds * Math.Pow(2, Math.Min(attempt, 30)) * (1 + (0.25 * chance))));

    /// <summary>The policy as a pipeline.</summary>
    /// <param name="clock">Waits.</param>
    /// <param name="onRetry">Hears of each wait and its reason.</param>
    public ResiliencePipeline Build(TimeProvider clock, Action<string, TimeSpan> onRetry) => new ResiliencePipelineBuilder { TimeProvider = clock }
        .AddRetry(new RetryStrategyOptions
        {
            ShouldHandle = new PredicateBuilder().Handle<TransientException>(),
            MaxRetryAttempts = Tries,
            DelayGenerator = retry => ValueTask.FromResult<TimeSpan?>(
                Delay(retry.AttemptNumber, (retry.Outcome.Exception as TransientException)?.RetryAfter, Random.Shared.NextDouble())),
            OnRetry = retry =>
            {
                onRetry(retry.Outcome.Exception?.Message ?? "", retry.RetryDelay);
                return default;
            },
        })
        .Build();
}
