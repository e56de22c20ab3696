// Which quantities the page shows, what they are called, and how each is written.

import { bytes, compact, exact } from "./numbers.js";

export const LETTERS = ["A", "B", "C", "D"];

const count = (path, label, topic = path) => ({ path, label, topic, write: exact, short: compact });
const size = (path, label) => ({ path, label, topic: path, write: (amount) => bytes(amount), short: bytes, title: (amount) => (amount === null ? "" : `${exact(amount)} bytes`) });

/** The numbers that every network's card has. */
export const HEADLINES = [
  { ...count("parameters.total", "Parameters", "parameters"), parts: [count("parameters.weights", "weights"), count("parameters.biases", "biases")] },
  { label: "Forward pass", parts: [count("forward.mul", "multiplications"), count("forward.add", "additions"), count("forward.activations", "activations")] },
  { label: "Backward pass", parts: [count("backward.mul", "multiplications"), count("backward.add", "additions"), count("backward.derivatives", "derivatives")] },
  { ...count("step.flops", "Flops in a step"), forwardLabel: "Flops in the forward pass", parts: [count("forward.flops", "forward"), count("loss.flops", "loss", "loss"), count("backward.flops", "backward"), count("update.flops", "update")] },
  {
    ...size("memory.step_peak", "Peak memory"), lead: "Held for a time, not all at the peak:",
    parts: [size("memory.parameters", "parameters"), size("memory.gradients", "gradients"), size("memory.optimizer_state", "optimizer's state"), size("memory.activations", "kept activations"), size("memory.inputs", "inputs"), size("memory.buffers", "buffers"), size("memory.workspace", "workspace")],
  },
];

const PHASES = { forward: "Forward", loss: "Loss", backward: "Backward", update: "Update", step: "Whole step" };
const NAMES = {
  mul: "multiplications", add: "additions", div: "divisions", sqrt: "square roots", cmp: "comparisons", exp: "exponentials", log: "logarithms",
  tanh: "tanh", sigmoid: "sigmoids", erf: "erf", sin: "sines", cos: "cosines", atan: "arctangents", pow: "powers", random: "random numbers", int_ops: "integer operations",
  macs: "multiply-accumulates", masked_macs: "masked multiply-accumulates", activations: "activations", derivatives: "derivatives", flops: "flops",
};
const PARAMETERS = { total: "all", weights: "weights", biases: "biases", other: "other", trainable: "trainable", buffers: "buffers" };
const MEMORY = {
  parameters: "parameters", gradients: "gradients", optimizer_state: "optimizer's state", activations: "kept activations", workspace: "workspace",
  inputs: "inputs", buffers: "buffers", resident: "there before the step", forward_peak: "most in the forward pass", step_peak: "most in the step",
};

/** Every quantity in groups: what stands in the table of all numbers. */
export const GROUPS = [
  { title: "Parameters", rows: [...Object.entries(PARAMETERS).map(([name, label]) => count(`parameters.${name}`, label)), size("parameters.bytes", "bytes")] },
  { title: "Neurons", rows: [count("neurons", "neurons")] },
  ...Object.entries(PHASES).map(([phase, title]) => ({
    title,
    rows: [...Object.entries(NAMES).map(([name, label]) => count(`${phase}.${name}`, label)), size(`${phase}.read_bytes`, "bytes read"), size(`${phase}.write_bytes`, "bytes written")],
  })),
  { title: "Memory", rows: Object.entries(MEMORY).map(([name, label]) => size(`memory.${name}`, label)) },
];
