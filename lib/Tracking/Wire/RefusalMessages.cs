namespace NotebookLib.Tracking;

/// <summary>Turns a server's refusal into a sentence that says what to do.</summary>
internal static class RefusalMessages
{
    /// <summary>The exception for a refused call.</summary>
    /// <param name="what">The call.</param>
    /// <param name="status">The HTTP status; 200 for errors inside GraphQL.</param>
    /// <param name="message">The server's words, without secrets.</param>
    /// <param name="baseUrl">The server.</param>
    public static TrackingException For(string what, int status, string message, string baseUrl)
    {
        var said = message.Length == 0 ? $"HTTP {status}" : $"HTTP {status}: {message}";
        var fault = Kind(status, message);
        return new TrackingException(fault, fault switch
        {
            TrackingFault.WrongKey =>
                $"{baseUrl} does not know the API key ({said}); get the right one at {WandbApi.AppUrl(baseUrl)}/authorize and set WANDB_API_KEY",
            TrackingFault.WrongEntity =>
                $"{what}: the entity does not exist or the key may not write there ({said}); check WANDB_ENTITY, or leave it out for the key's own",
            TrackingFault.UnknownProject => $"{what}: the server refuses the project ({said}); check WANDB_PROJECT",
            _ => $"{what}: the server refuses ({said})",
        });
    }

    // The real server's error bodies are not in our captures (WANDB.md §12): the status decides first, then the words.
    private static TrackingFault Kind(int status, string message)
    {
        return status switch
        {
            401 => TrackingFault.WrongKey,
            _ when Says("not logged in") || Says("api key") => TrackingFault.WrongKey,
            _ when Says("project") && !Says("entity") => TrackingFault.UnknownProject,
            403 => TrackingFault.WrongEntity,
            _ when Says("entity") || Says("permission denied") => TrackingFault.WrongEntity,
            _ => TrackingFault.Refused,
        };

        bool Says(string word) => message.Contains(word, StringComparison.OrdinalIgnoreCase);
    }
}
