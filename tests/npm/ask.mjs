// node ask.mjs EXPORT QUESTION ANSWER: the pieces that npm's `tokenizers` and the entities that `@huggingface/transformers` find in a list of texts.
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { env, pipeline } from '@huggingface/transformers';
import tokenizers from 'tokenizers';

const [folder, question, answer] = process.argv.slice(2);
env.allowRemoteModels = false;
env.localModelPath = dirname(folder) + '/';
const tokenizer = tokenizers.Tokenizer.fromFile(join(folder, 'tokenizer.json'));
const tagger = await pipeline('token-classification', basename(folder), { dtype: 'fp32' });

const answers = [];
for (const text of JSON.parse(readFileSync(question, 'utf8'))) {
  const encoding = await tokenizer.encode(text);
  answers.push({ ids: encoding.getIds(), entities: await tagger(text) });
}

writeFileSync(answer, JSON.stringify(answers));
