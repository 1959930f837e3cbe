// node infer.mjs URL TOKEN TEXT: what npm's `@huggingface/inference` gets from a server, as JSON on standard output.
import { InferenceClient } from '@huggingface/inference';

const [url, token, text] = process.argv.slice(2);
const client = new InferenceClient(token);
const ask = question => client.tokenClassification(question).catch(error => error.message);

console.log(JSON.stringify({
  plain: await ask({ inputs: text, endpointUrl: url }),
  named: await ask({ inputs: text, endpointUrl: `${url}models/org/demo`, parameters: { aggregation_strategy: 'first', ignore_labels: ['O', 'Y'] } }),
  endpoint: await client.endpoint(url).tokenClassification({ inputs: text }),
  wrong: await ask({ inputs: 5, endpointUrl: url }),
  stranger: await new InferenceClient('another').tokenClassification({ inputs: text, endpointUrl: url }).catch(error => error.message),
}));
