namespace NotebookLib.Tokenization;

/// <summary>What the tokenizer makes of a sentence: L pieces, <c>[CLS]</c> first and <c>[SEP]</c> last.</summary>
/// <param name="Ids">Piece ids, [L].</param>
/// <param name="WordIds">For each piece the index of its word, [L]; −1 on <c>[CLS]</c> and <c>[SEP]</c> (the Python library's None).</param>
/// <param name="Offsets">
/// For each piece its place in the text (of its own word, when words were given), [L]; end exclusive, counted as the fast tokenizer counts: in Unicode
/// code points, so that a surrogate pair is one. (0, 0) on <c>[CLS]</c> and <c>[SEP]</c>.
/// </param>
public sealed record Encoding(int[] Ids, int[] WordIds, (int Start, int End)[] Offsets);
