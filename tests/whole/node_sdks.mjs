// Calls by OpenAI's and Vercel's SDKs for Node: `node node_sdks.mjs ADDRESS KEY MODEL NAME...`.
// Of each call named, one line of JSON: what it gave, or the status of its error.

import OpenAI from "openai";
import { generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";
import { createOpenAI } from "@ai-sdk/openai";

const [address, apiKey, model, ...names] = process.argv.slice(2);
const baseURL = `${address}/v1`;
const schema = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const messages = [{ role: "user", content: "Weather?" }];
const weather = ({ city }) => `21 degrees in ${city}`;

const openai = new OpenAI({ baseURL, apiKey });
const vercel = createOpenAI({ baseURL, apiKey });
const tools = {
  weather: tool({ inputSchema: jsonSchema(schema), execute: async (given) => weather(given) }),
};

const tokensOf = ({ inputTokens, outputTokens }) => [inputTokens, outputTokens];

const calls = {
  async openai() {
    const { choices, usage } = await openai.chat.completions.create({ model, messages });
    const tokens = [usage.prompt_tokens, usage.completion_tokens];
    return { text: choices[0].message.content, tokens };
  },
  async "openai-stream"() {
    const options = { stream: true, stream_options: { include_usage: true } };
    let [text, tokens] = ["", null];
    for await (const chunk of await openai.chat.completions.create({ model, messages, ...options })) {
      text += chunk.choices[0]?.delta.content ?? "";
      if (chunk.usage) tokens = [chunk.usage.prompt_tokens, chunk.usage.completion_tokens];
    }
    return { text, tokens };
  },
  async "openai-tools"() {
    const run = { parse: JSON.parse, parameters: schema, name: "weather", function: weather };
    const tools = [{ type: "function", function: run }];
    const runner = openai.chat.completions.runTools({ model, messages, tools });
    const text = await runner.finalContent();
    return { text, ran: runner.messages.filter((one) => one.role === "tool").map((one) => one.content) };
  },
  async vercel() {
    const { text, usage } = await generateText({ model: vercel.chat(model), prompt: "Weather?" });
    return { text, tokens: tokensOf(usage) };
  },
  async "vercel-stream"() {
    const told = streamText({ model: vercel.chat(model), prompt: "Weather?" });
    let text = "";
    for await (const piece of told.textStream) text += piece;
    return { text, tokens: tokensOf(await told.usage) };
  },
  async "vercel-tools"() {
    const stopWhen = stepCountIs(3);
    const asked = { model: vercel.chat(model), prompt: "Weather?", tools, stopWhen };
    const { text, steps } = await generateText(asked);
    return { text, ran: steps[0].toolResults.map((one) => one.output) };
  },
};

for (const name of names) {
  let told;
  try {
    told = await calls[name]();
  } catch (error) {
    told = { status: error.status ?? error.lastError?.statusCode ?? String(error) };
  }
  console.log(JSON.stringify({ name, ...told }));
}
