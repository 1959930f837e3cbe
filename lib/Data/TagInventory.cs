namespace NotebookLib.Data;

/// <summary>Every tag of a file with its number and first line, and which tag follows which: what its scheme shows in.</summary>
internal sealed class TagInventory
{
    // The largest sets of entity types have some hundreds of names.
    private const int MostTags = 4096;

    private readonly Dictionary<string, int> _ids = new(StringComparer.Ordinal);
    private readonly List<(string Name, long Count, long FirstLine)> _tags = [];
    private readonly Dictionary<(int Before, int Tag), long> _pairs = [];

    public IReadOnlyList<(string Name, long Count, long FirstLine)> Tags => _tags;

    /// <summary>How often a tag stands behind another; −1 is the beginning of a sentence.</summary>
    public IReadOnlyDictionary<(int Before, int Tag), long> Pairs => _pairs;

    /// <summary>True when there were more different tags than any tag set has; the others were not counted.</summary>
    public bool IsFull { get; private set; }

    public void Add(in RawRow row)
    {
        var before = -1;
        for (var word = 0; word < row.Tags.Length; word++)
        {
            var name = row.Tags[word];
            if (!_ids.TryGetValue(name, out var id))
            {
                if (_tags.Count == MostTags)
                {
                    IsFull = true;
                    return;
                }

                id = _tags.Count;
                _ids.Add(name, id);
                _tags.Add((name, 0, row.WordLines?[word] ?? row.Line));
            }

            var (_, count, line) = _tags[id];
            _tags[id] = (name, count + 1, line);
            System.Runtime.InteropServices.CollectionsMarshal.GetValueRefOrAddDefault(_pairs, (before, id), out _)++;
            before = id;
        }
    }

    public int? Find(string name) => _ids.TryGetValue(name, out var id) ? id : null;
}
