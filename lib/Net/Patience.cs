using Polly;
using Polly.Retry;

namespace NotebookLib.Net;

/// <summary>A failure that may pass: no connection, an overload, a server's fault, a file that broke off.</summary>
/// <param name="reason">What happened, without addresses or headers.</param>
internal sealed class TransientException(string reason) : Exception(reason)
{
    /// <summary>What the server asked for, or null.</summary>
    public TimeSpan? RetryAfter { get; init; }

    /// <summary>Whether the server has not answered anything yet: then there may be no network at all.</summary>
    public bool IsFirstContact { get; init; }
}

/// <summary>
/// When to try again what may pass: the first wait, doubled each time, times 1 to 1.25 by chance, at most the longest; Retry-After instead where the server
/// gives it.
/// </summary>
/// <param name="FirstSeconds">The first wait.</param>
/// <param name="LongestSeconds">The longest wait of the doubling.</param>
/// <param name="Tries">How often to try again.</param>
internal sealed record Patience(double FirstSeconds, double LongestSeconds, int Tries)
{
    // Who has no network wants to hear so, not to wait for one.
    private static readonly TimeSpan FirstContact = TimeSpan.FromSeconds(3);

    /// <summary>The longest Retry-After that is obeyed: a server that asks for a year is not waited for.</summary>
    public TimeSpan LongestRetryAfter { get; init; } = TimeSpan.FromHours(1);

    /// <summary>
    /// Whether somebody sits and waits: a longer Retry-After then ends the tries (else it is cut), and so do three seconds with a server that has never
    /// answered.
    /// </summary>
    public bool IsWatched { get; init; }

    /// <summary>The wait before try <paramref name="attempt"/> + 1.</summary>
    /// <param name="attempt">0 for the first wait.</param>
    /// <param name="retryAfter">What the server asked for.</param>
    /// <param name="chance">Uniform in [0, 1).</param>
    public TimeSpan Delay(int attempt, TimeSpan? retryAfter, double chance)
        => retryAfter is { } asked
            ? TimeSpan.FromTicks(Math.Clamp(asked.Ticks, 0, LongestRetryAfter.Ticks))
            : TimeSpan.FromSeconds(Math.Min(LongestSeconds, FirstSeconds * Math.Pow(2, Math.Min(attempt, 30)) * (1 + (0.25 * chance))));

    /// <summary>Does something until it works or the tries are used up.</summary>
    /// <param name="clock">Waits.</param>
    /// <param name="onWait">Hears of each wait and its reason.</param>
    /// <param name="work">Throws <see cref="TransientException"/> for what may pass.</param>
    /// <param name="cancel">Gives up.</param>
    /// <exception cref="TransientException">It never worked.</exception>
    public async Task<T> RunAsync<T>(TimeProvider clock, Action<string, TimeSpan> onWait, Func<CancellationToken, Task<T>> work, CancellationToken cancel)
    {
        if (Tries == 0)
        {
            return await work(cancel).ConfigureAwait(false);
        }

        var started = clock.GetTimestamp();
        var retry = new RetryStrategyOptions
        {
            ShouldHandle = new PredicateBuilder().Handle<TransientException>(fault => !IsWatched
                || (!(fault.RetryAfter > LongestRetryAfter) && (!fault.IsFirstContact || clock.GetElapsedTime(started) < FirstContact))),
            MaxRetryAttempts = Tries,
            DelayGenerator = at => ValueTask.FromResult<TimeSpan?>(
                Delay(at.AttemptNumber, (at.Outcome.Exception as TransientException)?.RetryAfter, Random.Shared.NextDouble())),
            OnRetry = at =>
            {
                onWait(at.Outcome.Exception?.Message ?? "", at.RetryDelay);
                return default;
            },
        };
        return await new ResiliencePipelineBuilder { TimeProvider = clock }.AddRetry(retry).Build()
            .ExecuteAsync(async token => await work(token).ConfigureAwait(false), cancel).ConfigureAwait(false);
    }
}
