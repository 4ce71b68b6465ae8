// What is learned. A drawing brings attributes; which button is taken is a property.
const buttons = () => [...element.querySelectorAll("input[name=switch-task]")];
const show = () => {
  const task = props.value?.data?.task;
  for (const button of buttons()) button.checked = button.value === task;
};
element.addEventListener("change", ({ target }) => {
  if (target.name === "switch-task") studio.act(trigger, { do: "teach", task: target.value });
});
watch("value", show);
