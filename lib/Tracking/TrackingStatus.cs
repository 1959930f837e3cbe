namespace NotebookLib.Tracking;

/// <summary>How a run's tracking stands; the card in Display shows it.</summary>
/// <param name="RunName">The run's name, or its id when it has none.</param>
/// <param name="RunId">The run's id.</param>
/// <param name="Mode">Where rows go now: a run that the server refused is offline.</param>
/// <param name="Link">The run's page; null when there is none.</param>
/// <param name="Folder">The run's folder; null when disabled.</param>
/// <param name="RowsKept">Rows in the journal.</param>
/// <param name="RowsSent">Rows that the server has confirmed.</param>
/// <param name="Remark">Why the run is offline, or null.</param>
public sealed record TrackingStatus(
    string RunName, string RunId, TrackingMode Mode, string? Link, string? Folder, long RowsKept, long RowsSent, string? Remark);
