namespace NotebookRunner;

/// <summary>What the process returns: scripts build on it.</summary>
internal static class ExitCodes
{
    /// <summary>Everything went well.</summary>
    public const int Ok = 0;

    /// <summary>A cell failed or took too long, or a verification or an upload fell short.</summary>
    public const int Failed = 1;

    /// <summary>The command line, the notebook, a parameter or a folder is wrong; nothing was run.</summary>
    public const int BadInput = 2;

    /// <summary>Somebody asked to stop, by Ctrl-C or SIGTERM: 128 + SIGINT, for both.</summary>
    public const int Interrupted = 130;
}
