-- Gives each formula of the PDF the alternative text that PDF/UA-1 asks for: its TeX source, unless an
-- author wrote `{#eq-x alt="..."}`. Runs after the filters that number the equations (Quarto's own, or
-- nrrsim's quarto.lua), which leave `#math.equation(block: true, numbering: .., [`, the formula, `])<eq-x>`.

local function quoted(s)
  s = s:gsub("%s+", " "):gsub("^ ", ""):gsub(" $", "")
  return '"' .. s:gsub("\\", "\\\\"):gsub('"', '\\"') .. '"'
end

local function typst(math)
  return (pandoc.write(pandoc.Pandoc{pandoc.Plain{math}}, "typst"):gsub("%s+$", ""))
end

function Inlines(inlines)
  local out = pandoc.Inlines{}
  for _, x in ipairs(inlines) do
    local before = out[#out]
    if x.t == "Str" and (x.text:find("...", 1, true) or x.text:find("-?", 1, true)) then
      -- Typst would print an ellipsis, or a hyphen that hides; a name stays as it is written
      out:insert(pandoc.RawInline("typst", "#" .. quoted(x.text) .. ";"))
    elseif x.t ~= "Math" then
      out:insert(x)
    elseif before and before.t == "RawInline" and before.text:match("^#math%.equation%(.*%[%s*$") then
      if not before.text:find("alt:", 1, true) then
        before.text = before.text:gsub("^#math%.equation%(", function(open) return open .. "alt: " .. quoted(x.text) .. ", " end)
        out[#out] = before
      end
      out:insert(x)
    else
      out:insert(pandoc.RawInline("typst", ("#math.equation(alt: %s, block: %s, %s)"):format(
        quoted(x.text), tostring(x.mathtype == "DisplayMath"), typst(x))))
    end
  end
  return out
end

if not FORMAT:match("typst") then Inlines = nil end
