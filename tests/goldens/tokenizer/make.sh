#!/bin/sh
# Makes tiny/spm.model and the goldens beside it with SentencePiece's own programs (Debian: apt-get install sentencepiece, 0.1.97).
# The options are DeBERTa's where they matter: unigram, byte pieces, [PAD] [CLS] [SEP] [UNK] as ids 0 to 3. The normalisation rules are rules.tsv,
# a dozen lines in the manner of nmt_nfkc, because the full table alone has 237 KB. Outside oracle: spm_encode, on text that has no unknown characters.
set -eu
cd "$(dirname "$0")"
mkdir -p tiny
spm_train --input=training-text.txt --model_prefix=tiny/spm --model_type=unigram --vocab_size=640 --character_coverage=1.0 --byte_fallback=true \
  --pad_id=0 --bos_id=1 --eos_id=2 --unk_id=3 --pad_piece='[PAD]' --bos_piece='[CLS]' --eos_piece='[SEP]' --unk_piece='[UNK]' \
  --normalization_rule_tsv=rules.tsv --num_threads=1 --minloglevel=2
rm tiny/spm.vocab
cp training-text.txt tiny/corpus.txt
cat unseen-text.txt >> tiny/corpus.txt
spm_encode --model=tiny/spm.model --output_format=id < tiny/corpus.txt > tiny/corpus_fast_ids.txt
